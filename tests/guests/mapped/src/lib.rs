//! An order as an analytics vendor takes it, by the SDK: as a plugin's author would write it. The guest
//! `walked` makes the same by hand; the benchmark compares them.

use switchyard_sdk::prelude::*;

#[derive(Deserialize, Settings)]
struct Settings {
    /// URL
    url: String,
}

switchyard_sdk::members! {
    struct Order {
        order_id: b"order_id",
        total: b"total",
        currency: b"currency",
        coupon: b"coupon",
        shipping: b"shipping",
        tax: b"tax",
        products: b"products",
    }
}

switchyard_sdk::members! {
    struct Product {
        product_id: b"product_id",
        name: b"name",
        brand: b"brand",
        category: b"category",
        price: b"price",
        quantity: b"quantity",
    }
}

fn plan(settings: &Settings, batch: &Batch, plan: &mut Plan) {
    for event in batch.iter() {
        if event.event_name().quoted() != Some(b"Order Completed") {
            plan.skip(&event, "event: is no order");
            continue;
        }
        let order = Order::of(event.properties());
        let mut json = JsonWriter::new();
        json.begin_object();
        member(&mut json, key!("client_id"), Some(event.get("anonymousId")));
        member(&mut json, key!("user_id"), Some(event.get("userId")));
        member(&mut json, key!("time"), Some(event.get("timestamp")));
        member(&mut json, key!("ip"), Some(event.context().child("ip")));
        json.member_key(key!("events"));
        json.begin_array();
        json.begin_object();
        json.member(key!("name"), "purchase");
        json.member_key(key!("params"));
        json.begin_object();
        member(&mut json, key!("transaction_id"), order.order_id);
        member(&mut json, key!("value"), order.total);
        member(&mut json, key!("currency"), order.currency);
        member(&mut json, key!("coupon"), order.coupon);
        member(&mut json, key!("shipping"), order.shipping);
        member(&mut json, key!("tax"), order.tax);
        json.member_key(key!("items"));
        json.begin_array();
        for product in order.products.iter().flat_map(|products| products.children()) {
            let product = Product::of(product);
            json.begin_object();
            member(&mut json, key!("item_id"), product.product_id);
            member(&mut json, key!("item_name"), product.name);
            member(&mut json, key!("item_brand"), product.brand);
            member(&mut json, key!("item_category"), product.category);
            member(&mut json, key!("price"), product.price);
            member(&mut json, key!("quantity"), product.quantity);
            json.end_object();
        }
        json.end_array();
        json.end_object();
        json.end_object();
        json.end_array();
        json.end_object();
        plan.post(&settings.url).json(json).cover(&event);
    }
}

fn member(json: &mut JsonWriter, key: Key, value: Option<Value<'_>>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        json.member(key, value);
    }
}

switchyard_sdk::destination! { settings: Settings, plan: plan }
