//! Every setting of a program, with its default: read from the settings' types and their documentation.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use utoipa::ToSchema;

use super::variable;

/// A setting, as a reference lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its place in a file, such as `http.port`. `<name>` stands for a name that the operator chooses.
    pub path: String,
    /// Its default; `None` where it has none.
    pub default: Option<Value>,
    /// Whether the program, or the section, needs it.
    pub is_required: bool,
    /// What it means.
    pub description: String,
}

/// Lists the settings in `T`, in the order of their declaration in each section.
pub fn list<T: ToSchema>() -> Vec<Setting> {
    let mut components = Vec::new();
    T::schemas(&mut components);
    let json = |schema| serde_json::to_value(schema).unwrap_or_default();
    let components = components.into_iter().map(|(name, schema)| (name, json(schema))).collect();
    let mut settings = Vec::new();
    Walk { components, settings: &mut settings }.section("", &json(T::schema()));
    settings
}

struct Walk<'a> {
    components: BTreeMap<String, Value>,
    settings: &'a mut Vec<Setting>,
}

impl Walk<'_> {
    fn section(&mut self, path: &str, schema: &Value) {
        let Some(properties) = schema["properties"].as_object().cloned() else { return };
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in &properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.property(path, property, required.iter().any(|required| required == name));
        }
    }

    fn property(&mut self, path: String, property: &Value, is_required: bool) {
        let target = self.target(property);
        if target["properties"].is_object() {
            return self.section(&path, &target);
        }
        if target["additionalProperties"].is_object() {
            let element = self.target(&target["additionalProperties"]);
            return self.section(&format!("{path}.<name>"), &element);
        }
        let text = |value: &Value| value["description"].as_str().map(str::to_owned);
        let default = [property, &target].into_iter().find_map(|value| value.get("default").cloned());
        self.settings.push(Setting {
            path,
            default: default.filter(|default| !default.is_null()),
            is_required,
            description: text(property).or_else(|| text(&target)).unwrap_or_default().replace('\n', " "),
        });
    }

    /// The schema that a property refers to; of an optional one, the schema of its value.
    fn target(&self, property: &Value) -> Value {
        let alternatives = ["oneOf", "anyOf", "allOf"].iter().find_map(|word| property[word].as_array());
        let property =
            alternatives.and_then(|all| all.iter().find(|one| one["type"] != "null")).unwrap_or(property);
        let name = property["$ref"].as_str().and_then(|text| text.rsplit('/').next());
        name.and_then(|name| self.components.get(name)).unwrap_or(property).clone()
    }
}

/// A TOML file with every setting, commented out: required ones are empty, the others have their defaults.
pub fn example(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in settings {
        let (own, name) = setting.path.rsplit_once('.').unwrap_or(("", &setting.path));
        if own != section {
            section = own;
            // Writing to a String cannot fail.
            _ = writeln!(text, "\n# [{section}]");
        }
        _ = writeln!(text, "# {}", setting.description);
        _ = writeln!(
            text,
            "# {name} = {}\n#",
            setting.default.as_ref().map_or("\"\"".to_owned(), Value::to_string)
        );
    }
    text.trim_start().to_owned()
}

/// A Markdown table of every setting.
pub fn table(settings: &[Setting]) -> String {
    let mut text = "| setting | environment | default | |\n|---|---|---|---|\n".to_owned();
    for Setting { path, default, is_required, description } in settings {
        let default = match default {
            Some(Value::String(value)) => format!("`{value}`"),
            Some(value) => format!("`{value}`"),
            None if *is_required => "required".to_owned(),
            None => "–".to_owned(),
        };
        let description = description.replace('|', "\\|");
        // Writing to a String cannot fail.
        _ = writeln!(text, "| `{path}` | `{}` | {default} | {description} |", variable(path));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::CommonSettings;

    fn find(path: &str) -> Setting {
        list::<CommonSettings>().into_iter().find(|setting| setting.path == path).unwrap()
    }

    #[test]
    fn a_setting_is_listed_with_its_default_and_its_meaning() {
        let port = find("http.body_limit_bytes");
        assert_eq!(port.default, Some(json!(65_536)));
        assert!(port.description.starts_with("The largest request body"), "{port:?}");
        assert_eq!(find("mode").default, Some(json!("production")));
        assert_eq!(find("auth.issuer").default, Some(json!("shop")));
        assert_eq!(find("consumer.prefetch").default, Some(json!(128)));
        assert!(find("database.url").is_required && find("database.url").default.is_none());
    }

    #[test]
    fn the_example_has_every_setting_with_its_default() {
        let example = example(&list::<CommonSettings>());
        let lines: Vec<&str> = example.lines().collect();
        assert!(lines.contains(&"# [http]") && lines.contains(&"# body_limit_bytes = 65536"), "{example}");
        assert!(lines.contains(&"# url = \"\""), "what is required is empty: {example}");
    }
}
