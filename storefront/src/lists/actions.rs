//! What a buyer does with their lists.

use actix_web::{post, web};
use reqwest::StatusCode;
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::clients::ProductList;
use crate::pages::{Answer, Visit, see_other};
use crate::session::{Nothing, Posted};

/// How often a change is tried when another page changes the list at the same time.
const TRIES: usize = 3;

/// A list, as its form has it.
#[derive(Debug, Deserialize)]
struct ListForm {
    name: String,
    /// A box that is not ticked is not sent.
    public: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OnList {
    list: String,
    product: i64,
}

/// Makes a list.
#[post("/lists")]
pub(super) async fn make(visit: Visit, Posted(form): Posted<ListForm>) -> Answer {
    let user = visit.user()?;
    let list = visit.shop.basket.make_list(user, &form.name, form.public.is_some()).await?;
    Ok(see_other(&format!("/lists/{}?did=listed", list.id)))
}

/// Puts a product on a list; one that is on it stays.
#[post("/lists/products")]
pub(super) async fn put_on(visit: Visit, Posted(form): Posted<OnList>) -> Answer {
    let put = |list: &mut ProductList| {
        if !list.products.contains(&form.product) {
            list.products.push(form.product);
        }
    };
    let id = change_with(&visit, &form.list, put).await?;
    Ok(see_other(&format!("/lists/{id}?did=on-list")))
}

/// Gives a list another name, makes it public or private.
#[post("/lists/{id}")]
pub(super) async fn change(visit: Visit, id: web::Path<String>, Posted(form): Posted<ListForm>) -> Answer {
    let rename = |list: &mut ProductList| {
        list.name.clone_from(&form.name);
        list.is_public = form.public.is_some();
    };
    let id = change_with(&visit, &id, rename).await?;
    Ok(see_other(&format!("/lists/{id}?did=list-changed")))
}

/// Deletes a list.
#[post("/lists/{id}/delete")]
pub(super) async fn delete(visit: Visit, id: web::Path<String>, _: Posted<Nothing>) -> Answer {
    visit.shop.basket.delete_list(visit.user()?, &id).await?;
    Ok(see_other("/lists?did=list-deleted"))
}

/// Takes a product off a list.
#[post("/lists/{id}/products/{product}/remove")]
pub(super) async fn take_off(visit: Visit, path: web::Path<(String, i64)>, _: Posted<Nothing>) -> Answer {
    let (id, product) = path.into_inner();
    let id = change_with(&visit, &id, |list| list.products.retain(|one| *one != product)).await?;
    Ok(see_other(&format!("/lists/{id}?did=off-list")))
}

/// Changes a list as it is now; returns its id, as the service writes it.
async fn change_with(visit: &Visit, id: &str, edit: impl Fn(&mut ProductList)) -> Result<String, Problem> {
    let (user, basket) = (visit.user()?, &visit.shop.basket);
    let mut tries = 0;
    loop {
        tries += 1;
        let mut list = basket.list(user, id).await?;
        edit(&mut list);
        match basket.change_list(user, &list).await {
            Err(error) if error.is(StatusCode::PRECONDITION_FAILED) && tries < TRIES => {}
            outcome => return outcome.map(|()| list.id).map_err(Problem::from),
        }
    }
}
