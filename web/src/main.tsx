import { render } from "preact";
import "./css/base.css";
import "./css/controls.css";
import "./css/shell.css";
import "./css/apps.css";
import "./css/app.css";
import "./css/log.css";
import "./css/mail.css";
import { startKeys } from "./keys";
import { startPanel } from "./panel";
import { startRouter } from "./router";
import { startClock } from "./state";
import { startTheme } from "./theme";
import { Panel } from "./views/shell";

startTheme();
startClock();
startRouter();
startKeys();
startPanel();

const root = document.getElementById("root");
if (root) render(<Panel />, root);
