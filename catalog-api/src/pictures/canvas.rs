//! Colours, and text that is safe inside an SVG.

/// The colours that a brand's pictures are drawn in, as SVG writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Palette {
    /// The upper end of the sky.
    pub(super) sky: String,
    /// The lower end of the sky.
    pub(super) horizon: String,
    /// The hills far away.
    pub(super) far: String,
    /// The hills nearby.
    pub(super) near: String,
    /// The product.
    pub(super) body: String,
    /// The parts of the product that lie in the shade.
    pub(super) shade: String,
    /// The parts that shine.
    pub(super) accent: String,
}

impl Palette {
    /// A brand's colours: neighbouring ids are far apart on the colour wheel (the golden angle).
    pub(super) fn of_brand(brand_id: i32) -> Self {
        let hue = i64::from(brand_id) * 137 % 360;
        let other = (hue + 165) % 360;
        let colour = |hue: i64, saturation: u8, light: u8| format!("hsl({hue},{saturation}%,{light}%)");
        Self {
            sky: colour(hue, 46, 88),
            horizon: colour((hue + 25) % 360, 62, 95),
            far: colour(hue, 24, 74),
            near: colour(hue, 26, 60),
            body: colour(hue, 58, 40),
            shade: colour(hue, 60, 27),
            accent: colour(other, 72, 56),
        }
    }
}

/// Text for an SVG: at most `limit` characters, with everything that could be markup escaped.
pub(super) fn text(text: &str, limit: usize) -> String {
    let mut safe = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == limit {
            safe.push('…');
            break;
        }
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML cannot hold these at all, not even escaped.
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
