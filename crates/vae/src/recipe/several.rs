//! A latent at several ports in few words: `latent.z.ports = ["bottom*2", "h1"]` stands for the latents z1 and z2 at the
//! port `bottom` and z3 at `h1`, with the other options of z; what is said of z in `prior` and `objective` holds for each.

use super::{RecipeError, words};
use toml::{Table, Value};

/// Far more latents than any network has.
const MOST: usize = 1000;

/// The recipe with a table for each latent.
pub(super) fn spread(table: &Table) -> Result<Table, RecipeError> {
    let mut table = table.clone();
    let Some(Value::Table(latents)) = table.get("latent").cloned() else {
        return Ok(table);
    };
    for (name, latent) in &latents {
        let Some(ports) = latent.as_table().and_then(|latent| latent.get("ports")) else {
            continue;
        };
        let ports = read(ports, &format!("latent.{name}"))?;
        let digits = ports.len().to_string().len();
        let names: Vec<String> = (1..=ports.len())
            .map(|i| format!("{name}{i:0digits$}"))
            .collect();
        if let Some(taken) = names.iter().find(|name| latents.contains_key(*name)) {
            return Err(RecipeError::value(
                &format!("latent.{name}"),
                format!(
                    "ports: stands for `{taken}` too, which is a latent already; call one of them otherwise"
                ),
            ));
        }
        repeat(table.get_mut("latent"), name, &names);
        repeat(table.get_mut("prior"), name, &names);
        if let Some(Value::Table(terms)) = table.get_mut("objective") {
            for (_, term) in terms.iter_mut() {
                repeat(Some(term), name, &names);
            }
        }
        for (name, port) in names.iter().zip(ports) {
            if let Some(Value::Table(latent)) = table["latent"].get_mut(name) {
                latent.remove("ports");
                latent.insert("port".to_owned(), Value::String(port));
            }
        }
    }
    Ok(table)
}

/// The ports in a list, with as many of each as is said after `*`.
fn read(list: &Value, place: &str) -> Result<Vec<String>, RecipeError> {
    let refuse = |found: String| {
        Err(RecipeError::value(
            place,
            format!("ports: expected a list such as [\"bottom*2\", \"h1\"], found {found}"),
        ))
    };
    let Value::Array(list) = list else {
        return refuse(words::of(list));
    };
    let mut ports = Vec::new();
    for entry in list {
        let Value::String(text) = entry else {
            return refuse(words::of(entry));
        };
        let (port, count) = text.split_once('*').unwrap_or((text, "1"));
        match count.trim().parse::<usize>() {
            Ok(n) if (1..=MOST).contains(&n) => ports.extend(vec![port.trim().to_owned(); n]),
            _ => return refuse(format!("\"{text}\"")),
        }
    }
    match ports.len() {
        0 => refuse("an empty one".to_owned()),
        n if n > MOST => refuse(format!("one of {n} latents")),
        _ => Ok(ports),
    }
}

/// Puts what stands under `name` under each of `names`.
fn repeat(section: Option<&mut Value>, name: &str, names: &[String]) {
    if let Some(Value::Table(section)) = section
        && let Some(own) = section.remove(name)
    {
        section.extend(names.iter().map(|name| (name.clone(), own.clone())));
    }
}

#[cfg(test)]
mod tests {
    use crate::recipe::Recipe;

    #[test]
    fn one_table_stands_for_a_latent_at_each_port() {
        let text = "
            latent.z = { kind = 'gaussian', dim = 3, ports = ['bottom*2', 'h1'] }
            latent.y.dim = 2
            prior.z = 'mixture'
            objective.rate.z.free_bits = 0.5
        ";
        let recipe = Recipe::parse(text, "test", &["latent.z.dim=4".to_owned()]).unwrap();
        let names: Vec<&str> = recipe.latent.keys().map(String::as_str).collect();
        assert_eq!(names, ["y", "z1", "z2", "z3"]);
        let port = |name: &str| recipe.latent[name]["port"].as_str().unwrap();
        assert_eq!(["z1", "z2", "z3"].map(port), ["bottom", "bottom", "h1"]);
        for name in ["z1", "z2", "z3"] {
            assert_eq!(recipe.latent[name]["dim"].as_integer(), Some(4));
            assert_eq!(recipe.prior[name]["kind"].as_str(), Some("mixture"));
            let free = &recipe.objective["rate"][name]["free_bits"];
            assert_eq!(free.as_float(), Some(0.5));
        }
        assert_eq!(recipe.prior["y"]["kind"].as_str(), Some("normal"));
        let again = Recipe::parse(&recipe.to_toml(), "again", &[]).unwrap();
        assert_eq!(again, recipe);
        let ten = Recipe::parse("latent.z.ports = ['bottom * 10']", "test", &[]).unwrap();
        assert_eq!(ten.latent.keys().next().unwrap(), "z01");
    }

    #[test]
    fn what_is_no_list_of_ports_is_refused() {
        for (ports, found) in [
            ("'bottom'", "found text"),
            ("[]", "found an empty one"),
            ("[1]", "found"),
            ("['h1*x']", "found \"h1*x\""),
            ("['h1*0']", "found \"h1*0\""),
        ] {
            let text = format!("latent.z.ports = {ports}");
            let error = Recipe::parse(&text, "test", &[]).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
            assert!(error.starts_with("latent.z"), "{error}");
        }
        let text = "latent.z1.dim = 2\nlatent.z.ports = ['bottom*2']";
        let error = Recipe::parse(text, "test", &[]).unwrap_err().to_string();
        assert!(error.contains("`z1`"), "{error}");
    }
}
