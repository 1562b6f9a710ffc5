#pragma once

#include <string_view>

namespace berth::http {

// The objects of the API, as JSON Schema: components of the OpenAPI document.
inline constexpr std::string_view kSchemas = R"json({
"Problem":{"type":"object","required":["type","title","status","detail"],"properties":{
 "type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},
 "detail":{"type":"string"},"setup_required":{"type":"boolean"},
 "taken":{"type":"integer","description":"of input that was not taken whole: how many bytes were"}}},
"Role":{"enum":["viewer","operator","admin"]},
"Time":{"type":"string","format":"date-time"},
"TimeOrNull":{"type":["string","null"],"format":"date-time"},
"Session":{"type":"object","required":["user","csrf","version"],"properties":{
 "user":{"type":"object","required":["name","role"],"properties":{"name":{"type":"string"},
  "role":{"$ref":"#/components/schemas/Role"}}},
 "csrf":{"type":"string"},"version":{"type":"string"}}},
"Login":{"type":"object","required":["username","password"],"properties":{
 "username":{"type":"string"},"password":{"type":"string"}}},
"Setup":{"type":"object","required":["token","username","password"],"properties":{
 "token":{"type":"string"},"username":{"type":"string"},"password":{"type":"string"}}},
"Agent":{"type":"object","required":["name","endpoint","local","state","since","last_seen","error",
 "version","host","home","pid","apps"],"properties":{
 "name":{"type":"string"},"endpoint":{"type":"string"},"local":{"type":"boolean"},
 "state":{"enum":["connected","connecting","unreachable","refused","stopped"]},
 "since":{"$ref":"#/components/schemas/Time"},"last_seen":{"$ref":"#/components/schemas/TimeOrNull"},
 "error":{"type":["string","null"]},"version":{"type":["string","null"]},
 "host":{"type":["string","null"]},"home":{"type":["string","null"]},
 "pid":{"type":["integer","null"]},"apps":{"type":"integer"}}},
"Agents":{"type":"object","required":["agents"],"properties":{
 "agents":{"type":"array","items":{"$ref":"#/components/schemas/Agent"}}}},
"NewAgent":{"type":"object","required":["name","endpoint","public_key"],"properties":{
 "name":{"type":"string"},"endpoint":{"type":"string","description":"tcp://HOST:PORT"},
 "public_key":{"type":"string","minLength":40,"maxLength":64,
  "description":"64 hexadecimal digits, as berth agent peers shows it, or 40 characters of Z85"}}},
"App":{"type":"object","required":["id","agent","name","comment","state","active","desired","reason",
 "since","pid","exit_code","signal","started","finished","next_try","restarts","cpu_percent",
 "rss_bytes","processes","command","path","descriptor","backend","backend_id","tty","tags","stale",
 "changed_on_disk","descriptor_note","log_note","actor","autostart","instance_of","check","said","schedule","next_run",
 "limits","mailbox"],"properties":{
 "id":{"type":"string"},"agent":{"type":"string"},"name":{"type":"string"},
 "comment":{"type":"string"},
 "state":{"enum":["stopped","waiting","starting","running","stopping","backoff","exited","failed"]},
 "active":{"type":"boolean"},"desired":{"enum":["stopped","running"]},"reason":{"type":"string"},
 "since":{"$ref":"#/components/schemas/Time"},"pid":{"type":["integer","null"]},
 "exit_code":{"type":["integer","null"]},"signal":{"type":["string","null"]},
 "started":{"$ref":"#/components/schemas/TimeOrNull"},
 "finished":{"$ref":"#/components/schemas/TimeOrNull"},
 "next_try":{"$ref":"#/components/schemas/TimeOrNull"},"restarts":{"type":"integer"},
 "cpu_percent":{"type":["number","null"]},"rss_bytes":{"type":["integer","null"]},
 "processes":{"type":["integer","null"]},"command":{"type":"string"},"path":{"type":"string"},
 "descriptor":{"type":"string"},"backend":{"type":"string"},"backend_id":{"type":"string"},
 "tty":{"type":"boolean"},"tags":{"type":"array","items":{"type":"string"}},
 "stale":{"type":"boolean"},"changed_on_disk":{"type":"boolean"},"descriptor_note":{"type":"string"},
 "log_note":{"type":"string"},
 "actor":{"type":"string","description":"who asked for its last start or stop"},
 "autostart":{"type":"boolean"},
 "instance_of":{"type":"string","description":"the app that this is an instance of"},
 "check":{"type":"string","description":"what its ready or health check has seen last"},
 "said":{"type":"string","description":"STATUS= over its NOTIFY_SOCKET"},
 "schedule":{"type":"string"},"next_run":{"$ref":"#/components/schemas/TimeOrNull"},
 "limits":{"type":"array","items":{"type":"object"}},
 "mailbox":{"oneOf":[{"$ref":"#/components/schemas/MailboxFigures"},{"type":"null"}]}}},
"MailboxFigures":{"type":"object","required":["waiting","held","bytes","received","taken",
 "redelivered","dead","in_rate","out_rate","oldest"],"properties":{"waiting":{"type":"integer"},
 "held":{"type":"integer","description":"of those, given out and not acknowledged"},
 "bytes":{"type":"integer"},"received":{"type":"integer","description":"since the agent's start"},
 "taken":{"type":"integer"},"redelivered":{"type":"integer"},
 "dead":{"type":"integer","description":"dead letters: given out as often as is allowed"},
 "in_rate":{"type":"number","description":"messages a second"},"out_rate":{"type":"number"},
 "oldest":{"$ref":"#/components/schemas/TimeOrNull"}}},
"Apps":{"type":"object","required":["apps","next"],"properties":{
 "apps":{"type":"array","items":{"$ref":"#/components/schemas/App"}},
 "next":{"type":["string","null"]}}},
"AppDetails":{"allOf":[{"$ref":"#/components/schemas/App"},{"type":"object",
 "required":["spec","history","runs"],"properties":{"spec":{"type":"object"},
 "history":{"type":"array","items":{"type":"object","properties":{
  "time":{"$ref":"#/components/schemas/Time"},"state":{"type":"string"},
  "reason":{"type":"string"}}}},
 "runs":{"type":"array","items":{"type":"object","properties":{
  "generation":{"type":"integer"},"started":{"$ref":"#/components/schemas/Time"},
  "ended":{"$ref":"#/components/schemas/Time"},"exit_code":{"type":["integer","null"]},
  "how":{"type":"string"}}}}}}]},
"Action":{"type":"object","properties":{"timeout":{"type":"number","minimum":0,"maximum":300},
 "if_needed":{"type":"boolean","description":"what is so already is no failure"}}},
"ActionResult":{"type":"object","properties":{"app":{"$ref":"#/components/schemas/App"}}},
"BulkAction":{"type":"object","required":["verb"],"properties":{
 "verb":{"enum":["start","stop","restart","kill","clean","reload"]},
 "apps":{"type":"array","items":{"type":"string","description":"agent/id"}},
 "selector":{"type":"array","description":"instead of apps: a word that is agent/id or an id means that; any other is an RE2 expression of whole ids",
  "items":{"type":"string"}},
 "confirm":{"type":"boolean","description":"needed to clean several apps by an expression"},
 "if_needed":{"type":"boolean","description":"what is so already is no failure"}}},
"BulkResult":{"type":"object","required":["results","unmatched"],"properties":{
 "unmatched":{"type":"array","items":{"type":"string","description":"a word that means no app"}},"results":{"type":"array",
 "items":{"type":"object","required":["app","ok","error"],"properties":{"app":{"type":"string"},
  "ok":{"type":"boolean"},"error":{"type":["string","null"]}}}}}},
"Operation":{"type":"object","required":["id","app","verb","state","error"],"properties":{
 "id":{"type":"string"},"app":{"type":"string"},"verb":{"type":"string"},
 "state":{"enum":["running","done","failed","unknown"]},"error":{"type":["string","null"]}}},
"LogLine":{"type":"object","required":["time","stream","text","partial"],"properties":{
 "time":{"$ref":"#/components/schemas/Time"},"stream":{"enum":["stdout","stderr"]},
 "text":{"type":"string"},"partial":{"type":"boolean","description":
 "not finished yet; an answer to \"after\" has the whole line when it is"}}},
"Logs":{"type":"object","required":["lines","cursor"],"properties":{
 "lines":{"type":"array","items":{"$ref":"#/components/schemas/LogLine"}},
 "cursor":{"type":"string"}}},
"Input":{"type":"object","required":["data"],"properties":{"data":{"type":"string"}}},
"Explanation":{"type":"object","required":["explanation","state","cause","since","actor","next",
 "evidence","lines"],"properties":{"explanation":{"type":"string"},"state":{"type":"string"},
 "cause":{"type":"string"},"since":{"type":"string"},"actor":{"type":"string"},
 "next":{"type":"string"},"evidence":{"type":"array","items":{"type":"string"}},
 "lines":{"type":"array","items":{"type":"string"}}}},
"Numbers":{"type":"array","items":{"type":"number"}},
"Metrics":{"type":"object","required":["time","cpu_percent","rss_bytes","pss_bytes","processes",
 "threads","descriptors","read_rate","write_rate","messages","messages_in","messages_out"],"properties":{
 "time":{"type":"array","items":{"$ref":"#/components/schemas/Time"}},
 "cpu_percent":{"$ref":"#/components/schemas/Numbers"},
 "rss_bytes":{"$ref":"#/components/schemas/Numbers"},
 "pss_bytes":{"$ref":"#/components/schemas/Numbers"},
 "processes":{"$ref":"#/components/schemas/Numbers"},
 "threads":{"$ref":"#/components/schemas/Numbers"},
 "descriptors":{"$ref":"#/components/schemas/Numbers"},
 "read_rate":{"$ref":"#/components/schemas/Numbers"},
 "write_rate":{"$ref":"#/components/schemas/Numbers"},
 "messages":{"$ref":"#/components/schemas/Numbers"},
 "messages_in":{"$ref":"#/components/schemas/Numbers"},
 "messages_out":{"$ref":"#/components/schemas/Numbers"}}},
"Crashes":{"type":"object","required":["groups","crashes"],"properties":{
 "groups":{"type":"array","items":{"type":"object","properties":{"signature":{"type":"string"},
  "how":{"type":"string"},"count":{"type":"integer"},"first":{"$ref":"#/components/schemas/Time"},
  "last":{"$ref":"#/components/schemas/Time"},"generation":{"type":"integer"}}}},
 "crashes":{"type":"array","items":{"type":"object","properties":{"generation":{"type":"integer"},
  "time":{"$ref":"#/components/schemas/Time"},"signature":{"type":"string"},
  "how":{"type":"string"},"bundle":{"type":"object"}}}}}},
"Obstacles":{"type":"object","required":["obstacles"],"properties":{
 "obstacles":{"type":"array","items":{"type":"string"}}}},
"Scale":{"type":"object","required":["count"],"properties":{
 "count":{"type":"integer","minimum":1,"maximum":1000}}},
"Scaled":{"type":"object","required":["changed"],"properties":{
 "changed":{"type":"array","items":{"type":"string"}}}},
"Mailboxes":{"type":"object","required":["mailboxes"],"properties":{"mailboxes":{"type":"array",
 "items":{"allOf":[{"$ref":"#/components/schemas/MailboxFigures"},{"type":"object",
  "required":["app","known","sessions"],"properties":{"app":{"type":"string"},
  "known":{"type":"boolean","description":"whether such an app is registered"},
  "sessions":{"type":"integer"}}}]}}}},
"Messages":{"type":"object","required":["messages","more","mailbox"],"properties":{
 "mailbox":{"oneOf":[{"$ref":"#/components/schemas/MailboxFigures"},{"type":"null"}]},
 "more":{"type":"boolean"},"messages":{"type":"array","items":{"type":"object","required":["id",
  "from","time","attempt","held","durable","request","expires","dead","bytes","whole","payload"],
  "properties":{"id":{"type":"integer"},
  "from":{"type":"string","description":"empty: the operator"},
  "time":{"$ref":"#/components/schemas/Time"},"attempt":{"type":"integer"},
  "held":{"type":"boolean"},"durable":{"type":"boolean"},"request":{"type":"boolean"},
  "expires":{"$ref":"#/components/schemas/TimeOrNull"},"bytes":{"type":"integer"},
  "dead":{"$ref":"#/components/schemas/TimeOrNull"},
  "whole":{"type":"boolean","description":"false: the payload is shown in part"},
  "payload":{"description":"decoded for display, secrets masked"}}}}}},
"ResendMessages":{"type":"object","properties":{
 "message":{"type":"integer","description":"none: all dead letters of the app"}}},
"Resent":{"type":"object","required":["resent"],"properties":{"resent":{"type":"integer"}}},
"Trace":{"type":"object","required":["entries","change"],"properties":{
 "change":{"type":"integer","description":"as `after`, gives what has changed since"},
 "entries":{"type":"array","items":{"type":"object","required":["id","kind","from","to","outcome",
  "bytes","attempts","accepted","stored","given","ended"],"properties":{"id":{"type":"integer"},
  "kind":{"enum":["notify","request","event"]},"from":{"type":"string"},
  "to":{"type":"string","description":"of an event: its type"},
  "outcome":{"enum":["storing","waiting","given","acknowledged","answered","expired","timed_out",
   "removed","refused","told","sent","dead"]},"bytes":{"type":"integer"},"attempts":{"type":"integer"},
  "accepted":{"$ref":"#/components/schemas/Time"},
  "stored":{"$ref":"#/components/schemas/TimeOrNull"},
  "given":{"$ref":"#/components/schemas/TimeOrNull"},
  "ended":{"$ref":"#/components/schemas/TimeOrNull"}}}}}},
"NewMessage":{"type":"object","required":["payload"],"properties":{
 "payload":{"description":"any JSON value; the app gets it as msgpack"},
 "ttl":{"type":"number","description":"seconds"},"durable":{"type":"boolean"}}},
"SentMessage":{"type":"object","required":["id","known"],"properties":{"id":{"type":"integer"},
 "known":{"type":"boolean"}}},
"NewEvent":{"type":"object","required":["type"],"properties":{
 "type":{"type":"string","maxLength":256},"payload":{}}},
"RaisedEvent":{"type":"object","required":["seq"],"properties":{"seq":{"type":"integer"}}},
"Removed":{"type":"object","required":["removed"],"properties":{"removed":{"type":"integer"}}},
"Events":{"type":"object","required":["events"],"properties":{"events":{"type":"array","items":{
 "type":"object","required":["agent","seq","time","app","state","text"],"properties":{
 "agent":{"type":"string"},"seq":{"type":"integer"},"time":{"$ref":"#/components/schemas/Time"},
 "app":{"type":"string"},"state":{"type":"string"},"text":{"type":"string"}}}}}},
"Audit":{"type":"object","required":["entries","next"],"properties":{"entries":{"type":"array",
 "items":{"type":"object","required":["id","time","actor","address","verb","target","result"],
 "properties":{"id":{"type":"integer"},"time":{"$ref":"#/components/schemas/Time"},
 "actor":{"type":"string"},"address":{"type":"string"},"verb":{"type":"string"},
 "target":{"type":"string"},"result":{"type":"string"}}}},"next":{"type":["string","null"]}}},
"User":{"type":"object","required":["name","role","created"],"properties":{
 "name":{"type":"string"},"role":{"$ref":"#/components/schemas/Role"},
 "created":{"$ref":"#/components/schemas/Time"}}},
"Users":{"type":"object","required":["users"],"properties":{
 "users":{"type":"array","items":{"$ref":"#/components/schemas/User"}}}},
"NewUser":{"type":"object","required":["name","password","role"],"properties":{
 "name":{"type":"string"},"password":{"type":"string","minLength":8},
 "role":{"$ref":"#/components/schemas/Role"}}},
"UserChange":{"type":"object","properties":{"password":{"type":"string","minLength":8},
 "role":{"$ref":"#/components/schemas/Role"}}},
"PasswordChange":{"type":"object","required":["present","password"],"properties":{
 "present":{"type":"string"},"password":{"type":"string","minLength":8}}}
})json";

}  // namespace berth::http
