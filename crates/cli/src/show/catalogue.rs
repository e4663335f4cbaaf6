//! What `list` shows.

use super::json;
use super::table::Table;
use crate::args::Style;
use crate::console::{bold, dim, result};
use jensen::verb::list::{DataLine, Group, ModelLine};

/// The built-in recipes.
pub(crate) fn models(models: &[ModelLine], style: Style) {
    if style.json {
        return json("list models", &models);
    }
    let mut table = Table::default();
    for model in models {
        table.row(&[&bold(&model.name), &model.about]);
    }
    let next = dim("`jensen check NAME` shows one in full, `jensen fit NAME` trains it");
    result(&format!("{}\n{next}", table.text()));
}

/// The data sets with names.
pub(crate) fn data(data: &[DataLine], style: Style) {
    if style.json {
        return json("list data", &data);
    }
    let mut text = String::new();
    for line in data {
        let mut table = Table::default();
        let size = format!(
            "{}; {} training, {} test",
            line.layout, line.n_train, line.n_test
        );
        table.row(&[&dim("  examples"), &size]);
        table.row(&[&dim("  origin"), &line.origin]);
        table.row(&[&dim("  license"), &line.license]);
        table.row(&[&dim("  place"), &line.place]);
        text += &format!("{}  {}\n{}\n", bold(&line.name), line.about, table.text());
    }
    text += &dim(
        "Files and folders work too: IDX (.gz), .npy, .npz, CSV (.gz), folders of PNG or JPEG images",
    );
    result(&text);
}

/// Parts of models.
pub(crate) fn groups(what: &str, groups: &[Group], style: Style) {
    if style.json {
        return json(&format!("list {what}"), &groups);
    }
    let mut text = String::new();
    for group in groups {
        text += &format!(
            "{}  {}\n",
            bold(group.title),
            dim(&format!("[{}]", group.section))
        );
        for part in &group.parts {
            text += &format!("  {}  {}\n", bold(part.kind), part.about);
            for (key, value) in &part.options {
                text += &dim(&format!("      {key} = {value}\n"));
            }
        }
        text.push('\n');
    }
    result(&text);
}
