//! The whole picture: a landscape, the silhouette, and two lines of text.

use super::Subject;
use super::canvas::{Palette, text};
use super::silhouettes;

/// The most characters of a name that fit.
const NAME_LIMIT: usize = 34;
/// The most characters of a brand that fit.
const BRAND_LIMIT: usize = 40;

/// Draws a product. Only its id, name, type and brand decide what comes out.
pub(super) fn draw(subject: &Subject) -> String {
    let palette = Palette::of_brand(subject.product_brand_id);
    let Palette { sky, horizon, far, near, shade, accent, .. } = &palette;
    let silhouette = silhouettes::draw(subject.product_type_id, &palette);
    let name = text(&subject.name, NAME_LIMIT);
    let brand = text(&subject.brand, BRAND_LIMIT);
    // The same hills for every product would make a shelf look like wallpaper.
    let (sun, far_peak, near_peak) =
        (vary(subject, 3, 90, 550), vary(subject, 7, 120, 300), vary(subject, 11, 330, 540));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480" width="640" height="480" role="img" aria-label="{name}">
<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{sky}"/><stop offset="1" stop-color="{horizon}"/></linearGradient></defs>
<rect width="640" height="480" fill="url(#sky)"/>
<circle cx="{sun}" cy="92" r="40" fill="{accent}" opacity="0.45"/>
<path d="M0 330 L{far_peak} 168 L{near_peak} 320 L640 214 L640 480 L0 480Z" fill="{far}" opacity="0.55"/>
<path d="M0 380 Q{far_peak} 300 340 352 T640 330 L640 480 L0 480Z" fill="{near}" opacity="0.7"/>
<ellipse cx="320" cy="352" rx="176" ry="20" fill="{shade}" opacity="0.28"/>
<g transform="translate(320 238)">
{silhouette}
</g>
<rect y="396" width="640" height="84" fill="white" opacity="0.86"/>
<text x="32" y="434" font-family="system-ui, sans-serif" font-size="27" font-weight="600" fill="{shade}">{name}</text>
<text x="32" y="463" font-family="system-ui, sans-serif" font-size="18" letter-spacing="1" fill="{shade}" opacity="0.75">{brand}</text>
</svg>
"#
    )
}

/// A number between the two, which the product's id and a salt decide.
fn vary(subject: &Subject, salt: i64, from: i64, to: i64) -> i64 {
    from + subject.product_id.wrapping_mul(2_654_435_761).wrapping_add(salt * 97).rem_euclid(to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(type_id: i32, brand_id: i32, name: &str) -> Subject {
        Subject {
            product_id: 7,
            name: name.to_owned(),
            product_type_id: type_id,
            product_brand_id: brand_id,
            brand: "Larkfell".to_owned(),
        }
    }

    #[test]
    fn the_same_product_has_the_same_picture() {
        assert_eq!(draw(&subject(1, 1, "Tarn")), draw(&subject(1, 1, "Tarn")));
    }

    #[test]
    fn types_brands_and_names_make_a_difference() {
        let mut pictures: Vec<String> = (1..=9).map(|id| draw(&subject(id, 1, "Tarn"))).collect();
        pictures.extend((2..=13).map(|id| draw(&subject(1, id, "Tarn"))));
        pictures.push(draw(&subject(1, 1, "Beck")));
        let count = pictures.len();
        pictures.sort();
        pictures.dedup();
        assert_eq!(pictures.len(), count);
    }

    #[test]
    fn a_name_cannot_become_markup() {
        let picture = draw(&subject(1, 1, "<script>'\"&</svg>\u{FFFF}"));
        assert!(picture.contains("&lt;script&gt;&#39;&quot;&amp;&lt;/svg&gt; "));
        assert_eq!(picture.matches("</svg>").count(), 1);
        assert!(!picture.contains("<script"));
    }

    #[test]
    fn a_long_name_is_cut_on_a_character() {
        let picture = draw(&subject(1, 1, &"ü".repeat(100)));
        assert!(picture.contains(&format!(">{}…<", "ü".repeat(NAME_LIMIT))));
    }
}
