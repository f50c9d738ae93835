//! The id of a product, its price, and amounts of money.

service_kit::whole_number! {
    /// A product's id in the catalog: positive.
    pub struct ProductId(i64) is "a product id" from 1, for example 7;
}

service_kit::money! {
    /// What one piece of a product costs, up to what the column `price` holds.
    pub struct Price is "a price" up to 999_999_999_999 cents;
}

service_kit::money! {
    /// An amount of euro: above zero, in whole cents. Written as a string with two decimals; read from a string or a JSON
    /// number, exactly.
    #[derive(utoipa::ToSchema)]
    #[schema(value_type = String, pattern = r"^[0-9]{1,12}(\.[0-9]{1,2})?$", example = "25.00")]
    pub struct Amount is "an amount" up to 99_999_999_999_999 cents;
}
