//! One silhouette for each type of product, in a field of 320 × 240 around (0, 0).

use super::canvas::Palette;

/// Draws a type's silhouette; a type that is not known here is a signpost.
pub(super) fn draw(type_id: i32, palette: &Palette) -> String {
    let Palette { body, shade, accent, .. } = palette;
    match type_id {
        1 => tent(body, shade, accent),
        2 => backpack(body, shade, accent),
        3 => boot(body, shade, accent),
        4 => jacket(body, shade, accent),
        5 => lantern(body, shade, accent),
        6 => stove(body, shade, accent),
        7 => carabiner(body, shade, accent),
        8 => kayak(body, shade, accent),
        _ => signpost(body, shade, accent),
    }
}

fn tent(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<path d="M-150 100 L-20 -100 L20 -100 L150 100Z" fill="{body}"/>
<path d="M20 -100 L150 100 L62 100Z" fill="{shade}"/>
<path d="M-58 100 L-8 -40 L42 100Z" fill="{shade}"/>
<path d="M-8 -40 L42 100 L14 100Z" fill="{accent}"/>
<path d="M-20 -100 L-175 112 M20 -100 L175 112" stroke="{shade}" stroke-width="3" fill="none"/>"#
    )
}

fn backpack(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<path d="M-34 -96 C-34 -124 34 -124 34 -96" fill="none" stroke="{shade}" stroke-width="12"/>
<rect x="-84" y="-100" width="168" height="208" rx="46" fill="{body}"/>
<rect x="-112" y="6" width="42" height="84" rx="18" fill="{shade}"/>
<rect x="70" y="6" width="42" height="84" rx="18" fill="{shade}"/>
<rect x="-58" y="14" width="116" height="74" rx="18" fill="{shade}"/>
<rect x="-58" y="14" width="116" height="22" rx="11" fill="{accent}"/>
<path d="M-84 -38 Q0 -2 84 -38" fill="none" stroke="{accent}" stroke-width="9"/>"#
    )
}

fn boot(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<path d="M-74 -104 L18 -104 L26 -14 C84 -2 132 18 136 72 L-82 72 Z" fill="{body}"/>
<path d="M-90 66 L142 66 L142 88 C142 98 132 102 122 102 L-74 102 C-86 102 -90 96 -90 88Z" fill="{shade}"/>
<path d="M-74 -104 L18 -104 L20 -78 L-76 -78Z" fill="{shade}"/>
<path d="M-24 -58 L24 -52 M-24 -34 L28 -28 M-20 -10 L38 -4 M-2 14 L66 12" stroke="{accent}" stroke-width="9" stroke-linecap="round"/>"#
    )
}

fn jacket(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<path d="M-38 -108 L38 -108 L96 -78 L150 62 L106 78 L78 6 L78 108 L-78 108 L-78 6 L-106 78 L-150 62 L-96 -78Z" fill="{body}"/>
<path d="M-38 -108 Q0 -62 38 -108 L26 -120 L-26 -120Z" fill="{shade}"/>
<path d="M0 -84 L0 108" stroke="{accent}" stroke-width="7"/>
<path d="M-60 34 L-22 46 M60 34 L22 46" stroke="{shade}" stroke-width="9" stroke-linecap="round"/>
<path d="M-78 86 L78 86 L78 108 L-78 108Z" fill="{shade}"/>"#
    )
}

fn lantern(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<circle cx="0" cy="10" r="118" fill="{accent}" opacity="0.22"/>
<path d="M-42 -78 C-42 -132 42 -132 42 -78" fill="none" stroke="{shade}" stroke-width="9"/>
<rect x="-60" y="-84" width="120" height="30" rx="12" fill="{body}"/>
<rect x="-48" y="-54" width="96" height="112" fill="{accent}" opacity="0.85"/>
<path d="M0 42 C-34 14 -14 -8 0 -36 C14 -8 34 14 0 42Z" fill="{body}"/>
<path d="M-48 -54 L-48 58 M48 -54 L48 58" stroke="{shade}" stroke-width="8"/>
<rect x="-68" y="56" width="136" height="48" rx="14" fill="{body}"/>
<rect x="-68" y="82" width="136" height="22" rx="11" fill="{shade}"/>"#
    )
}

fn stove(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<rect x="-92" y="-96" width="184" height="86" rx="14" fill="{body}"/>
<path d="M92 -74 L148 -84" stroke="{shade}" stroke-width="13" stroke-linecap="round"/>
<rect x="-104" y="-108" width="208" height="18" rx="9" fill="{shade}"/>
<path d="M-46 34 C-66 14 -52 2 -44 -8 C-36 2 -28 14 -46 34Z M0 38 C-24 12 -10 0 0 -8 C10 0 24 12 0 38Z M46 34 C26 14 36 2 44 -8 C52 2 66 14 46 34Z" fill="{accent}"/>
<path d="M-86 -8 L-66 42 L66 42 L86 -8" fill="none" stroke="{shade}" stroke-width="9"/>
<rect x="-44" y="42" width="88" height="64" rx="20" fill="{body}"/>
<rect x="-44" y="64" width="88" height="14" fill="{accent}"/>"#
    )
}

fn carabiner(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<path d="M-150 -112 C-60 -60 -90 10 -18 66" fill="none" stroke="{accent}" stroke-width="15" stroke-linecap="round"/>
<path d="M-50 -104 C-14 -126 58 -116 66 -62 L66 50 C66 104 -44 118 -56 52 L-74 -52 C-78 -76 -70 -92 -50 -104Z" fill="none" stroke="{body}" stroke-width="25"/>
<path d="M66 -46 L66 44" stroke="{shade}" stroke-width="27" stroke-linecap="round"/>
<rect x="48" y="-22" width="36" height="48" rx="10" fill="{shade}"/>
<path d="M-18 66 C20 92 92 92 150 112" fill="none" stroke="{accent}" stroke-width="15" stroke-linecap="round"/>"#
    )
}

fn kayak(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<path d="M-174 6 C-104 -22 104 -22 174 6 C112 74 -112 74 -174 6Z" fill="{body}"/>
<path d="M-174 6 C-104 40 104 40 174 6 C112 74 -112 74 -174 6Z" fill="{shade}"/>
<ellipse cx="0" cy="2" rx="46" ry="14" fill="{shade}"/>
<path d="M-122 -104 L118 66" stroke="{accent}" stroke-width="9" stroke-linecap="round"/>
<ellipse cx="-130" cy="-110" rx="40" ry="16" transform="rotate(35 -130 -110)" fill="{accent}"/>
<ellipse cx="126" cy="72" rx="40" ry="16" transform="rotate(35 126 72)" fill="{accent}"/>
<path d="M-182 92 Q-136 74 -90 92 T2 92 T94 92 T186 92" fill="none" stroke="{body}" stroke-width="7" opacity="0.5"/>"#
    )
}

fn signpost(body: &str, shade: &str, accent: &str) -> String {
    format!(
        r#"<rect x="-9" y="-108" width="18" height="216" rx="6" fill="{shade}"/>
<path d="M-96 -88 L78 -88 L112 -60 L78 -32 L-96 -32Z" fill="{body}"/>
<path d="M96 -14 L-60 -14 L-94 14 L-60 42 L96 42Z" fill="{accent}"/>"#
    )
}
