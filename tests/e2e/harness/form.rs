//! Just enough HTML to fill in the site's forms.

/// The `value` of the first input called `name`.
pub(crate) fn value(html: &str, name: &str) -> Option<String> {
    values(html, name).into_iter().next()
}

/// The `value` of every input called `name`, in the page's order.
pub(crate) fn values(html: &str, name: &str) -> Vec<String> {
    html.split("<input")
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter(|tag| attribute(tag, "name").as_deref() == Some(name))
        .filter_map(|tag| attribute(tag, "value"))
        .collect()
}

/// `count` of every choice in the results: `data-choice` and the number in `class="count"`.
pub(crate) fn counts(html: &str) -> Vec<(String, u64)> {
    html.split("<li")
        .skip(1)
        .filter_map(|item| {
            let choice = attribute(item.split('>').next()?, "data-choice")?;
            let (_, count) = item.split_once("class=\"count\"")?;
            let number = count.split_once('>')?.1.split('<').next()?;
            Some((choice, number.trim().parse().ok()?))
        })
        .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(str::to_owned)
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
