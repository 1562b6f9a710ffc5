"""Compares answers of the API with what its OpenAPI document says of them: as much of JSON Schema as the document uses."""

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list, "null": type(None)}


class Description:
    def __init__(self, document):
        self.document = document

    def schema_of(self, path, method):
        """The schema of the answer when all goes well; None: it has none."""
        status = next(status for status in self.document["paths"][path][method.lower()]["responses"] if status != "default")
        content = self.document["paths"][path][method.lower()]["responses"][status].get("content", {})
        return content.get("application/json", {}).get("schema")

    def problems(self, schema, value, at="answer"):
        """What in the value is not as the schema says. A member that the schema does not name is a problem too."""
        schema = self._whole(schema)
        if "oneOf" in schema:
            tried = [self.problems(one, value, at) for one in schema["oneOf"]]
            return [] if [] in tried else min(tried, key=len)
        kinds = schema.get("type", list(TYPES))
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if not any(self._is(value, kind) for kind in kinds):
            return [f"{at}: {value!r} is no {' or '.join(kinds)}"]
        if value not in schema.get("enum", [value]):
            return [f"{at}: {value!r} is none of {schema['enum']}"]
        found = []
        if isinstance(value, dict) and "properties" in schema:
            members = schema["properties"]
            found += [f"{at}: no {name}" for name in schema.get("required", []) if name not in value]
            for name, member in value.items():
                if name in members:
                    found += self.problems(members[name], member, f"{at}.{name}")
                elif not schema.get("additionalProperties", False):
                    found.append(f"{at}: {name} is not described")
        if isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                found += self.problems(schema["items"], item, f"{at}[{number}]")
        return found

    def _whole(self, schema):
        """With references followed, and parts put together."""
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].removeprefix("#/components/schemas/")]
        if "allOf" not in schema:
            return schema
        whole = {"type": "object", "properties": {}, "required": []}
        for part in map(self._whole, schema["allOf"]):
            whole["properties"].update(part["properties"])
            whole["required"] += part.get("required", [])
        return whole

    @staticmethod
    def _is(value, kind):
        return isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind in ("integer", "number"))
