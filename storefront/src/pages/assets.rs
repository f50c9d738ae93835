//! Styles, script and icon: compiled in, and cached by browsers for a year.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};
use service_kit::problem::Problem;
use sha2::{Digest, Sha256};

/// A year. A file whose content changes gets another URL, see [`asset_url`].
const CACHING: &str = "public, max-age=31536000, immutable";

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "ops.css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/ops.css"),
    },
    Asset {
        name: "shop.css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/shop.css"),
    },
    Asset {
        name: "shop.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/shop.js"),
    },
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_str!("../../assets/icon.svg") },
];

/// The URL of each file, with a hash of its content.
static URLS: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    let url = |asset: &Asset| {
        let digest = Sha256::digest(asset.content);
        let tag = digest.iter().take(6).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
        (asset.name, format!("/assets/{}?v={tag}", asset.name))
    };
    ASSETS.iter().map(url).collect()
});

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

/// The URL of a file; the name itself if there is no such file.
pub(crate) fn asset_url(name: &'static str) -> &'static str {
    URLS.iter().find(|(known, _)| *known == name).map_or(name, |(_, url)| url)
}

#[get("/assets/{name}")]
async fn show(name: web::Path<String>) -> super::Answer {
    let asset = ASSETS.iter().find(|asset| asset.name == name.as_str());
    let asset = asset.ok_or_else(|| Problem::not_found("there is no such file"))?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.media_type))
        .insert_header((CACHE_CONTROL, CACHING))
        .body(asset.content))
}
