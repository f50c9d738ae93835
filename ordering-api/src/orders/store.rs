//! The statements that find orders.

use service_kit::page::Window;
use service_kit::retry::retried;
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::body::Order;
use super::{BuyerId, OrderId, Status};

/// Whose orders, and which.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this buyer's.
    pub buyer: Option<BuyerId>,
    /// Only those that stand here.
    pub status: Option<Status>,
}

/// An order with its lines and its history, in one statement: what it says is of one moment.
const ORDER: &str = "
    select order_id, buyer_id, status, total, currency, address, placed_at, reason, detail, version,
           (select json_agg(json_build_object(
                        'productId', product_id, 'productName', product_name, 'unitPrice', unit_price::text,
                        'quantity', quantity, 'pictureUrl', picture_url) order by line_number)
              from order_line where order_line.order_id = customer_order.order_id) as items,
           (select json_agg(json_build_object('status', status, 'at', changed_at, 'eventId', event_id) order by version)
              from order_change where order_change.order_id = customer_order.order_id) as history
      from customer_order where true";

/// Finds an order; with a buyer, only if it is theirs.
pub async fn find(pool: &PgPool, id: OrderId, buyer: Option<&BuyerId>) -> Result<Option<Order>, sqlx::Error> {
    retried(|| async {
        let mut query = QueryBuilder::<Postgres>::new(ORDER);
        query.push(" and order_id = ").push_bind(id);
        push_buyer(&mut query, buyer);
        query.build_query_as().fetch_optional(pool).await
    })
    .await
}

/// Finds a page of orders, newest first, and counts those of all pages.
pub async fn list(pool: &PgPool, filter: &Filter, window: Window) -> Result<(i64, Vec<Order>), sqlx::Error> {
    retried(|| async {
        let mut query = QueryBuilder::<Postgres>::new("select count(*) from customer_order where true");
        push_filter(&mut query, filter);
        let count = query.build_query_scalar().fetch_one(pool).await?;

        let mut query = QueryBuilder::<Postgres>::new(ORDER);
        push_filter(&mut query, filter);
        query.push(" order by placed_at desc, order_id desc limit ").push_bind(window.limit());
        query.push(" offset ").push_bind(window.offset());
        Ok((count, query.build_query_as().fetch_all(pool).await?))
    })
    .await
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    push_buyer(query, filter.buyer.as_ref());
    if let Some(status) = filter.status {
        query.push(" and status = ").push_bind(status);
    }
}

fn push_buyer(query: &mut QueryBuilder<Postgres>, buyer: Option<&BuyerId>) {
    if let Some(buyer) = buyer {
        query.push(" and buyer_id = ").push_bind(buyer.clone());
    }
}
