//! The vendor's own events of a shop, and what their properties are called.
//!
//! Source: guide_to_integrating_a_platform_without_a_pre_built_klaviyo_integration, and its elder
//! help.klaviyo.com/hc/en-us/articles/115005082927; which events are renamed: also RudderStack's destination.

use switchyard_sdk::{Key, key};

use crate::names::Names;

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    /// As it stands.
    Same,
    /// As a list; a text is the only element of one.
    List,
    /// The same; where the sender gives none, what the products have of that, each once.
    ListOf(Part),
    /// A list of products.
    Items,
    /// A part of a product.
    Part(Part),
}

/// A property of the vendor's, and the sender's properties that it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub to: Key,
    pub from: &'static [&'static str],
    pub is: Is,
}

const fn same(to: Key, from: &'static [&'static str]) -> Row {
    Row { to, from, is: Is::Same }
}

const fn list(to: Key, from: &'static [&'static str]) -> Row {
    Row { to, from, is: Is::List }
}

const fn list_of(to: Key, from: &'static [&'static str], part: Part) -> Row {
    Row { to, from, is: Is::ListOf(part) }
}

const ITEMS: Row = Row { to: key!("Items"), from: PRODUCTS, is: Is::Items };

/// The sender's properties that may hold the products.
pub const PRODUCTS: &[&str] = &["products", "items"];

/// An event of the vendor's.
#[derive(Clone, Copy, Debug)]
pub struct Shop {
    pub metric: &'static str,
    pub names: &'static Names,
    /// What differs in the names of its products' properties.
    pub item: ItemNames,
    pub is: Act,
}

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// A product that is looked at.
    View,
    /// A product that is put into the cart: worth its price where the event says nothing else.
    Add,
    /// A cart on its way to the till.
    Checkout,
    /// An order, whose products become events of their own.
    Purchase,
    /// What happens to an order afterwards.
    Order,
}

const VIEWED_PRODUCT: Shop = Shop {
    metric: "Viewed Product",
    names: &Names::of(&[
        same(key!("ProductName"), &["name"]),
        same(key!("ProductID"), &["product_id", "id"]),
        same(key!("SKU"), &["sku"]),
        same(key!("ImageURL"), &["image_url"]),
        same(key!("URL"), &["url"]),
        same(key!("Brand"), &["brand"]),
        same(key!("Price"), &["price"]),
        same(key!("CompareAtPrice"), &["compare_at_price"]),
        list(key!("Categories"), &["categories", "category"]),
    ]),
    item: CART_ITEM,
    is: Act::View,
};

const ADDED_TO_CART: Shop = Shop {
    metric: "Added to Cart",
    names: &Names::of(&[
        same(key!("AddedItemProductName"), &["name"]),
        same(key!("AddedItemProductID"), &["product_id", "id"]),
        same(key!("AddedItemSKU"), &["sku"]),
        same(key!("AddedItemImageURL"), &["image_url"]),
        same(key!("AddedItemURL"), &["url"]),
        same(key!("AddedItemPrice"), &["price"]),
        same(key!("AddedItemQuantity"), &["quantity"]),
        list(key!("AddedItemCategories"), &["categories", "category"]),
        same(key!("CheckoutURL"), &["checkout_url"]),
        list_of(key!("ItemNames"), &["item_names"], Part::Name),
        ITEMS,
    ]),
    item: CART_ITEM,
    is: Act::Add,
};

const STARTED_CHECKOUT: Shop = Shop {
    metric: "Started Checkout",
    names: &Names::of(&[
        same(key!("CheckoutURL"), &["checkout_url"]),
        list_of(CATEGORIES, &["categories"], Part::Categories),
        list_of(key!("ItemNames"), &["item_names"], Part::Name),
        ITEMS,
    ]),
    item: CART_ITEM,
    is: Act::Checkout,
};

static ORDER: Names = Names::of(&[
    same(ORDER_ID, &["order_id"]),
    list_of(CATEGORIES, &["categories"], Part::Categories),
    list_of(key!("ItemNames"), &["item_names"], Part::Name),
    list_of(key!("Brands"), &["brands"], Part::Brand),
    same(key!("DiscountCode"), &["coupon"]),
    same(key!("DiscountValue"), &["discount"]),
    same(key!("Reason"), &["reason"]),
    ITEMS,
]);

const fn order(metric: &'static str, is: Act) -> Shop {
    Shop { metric, names: &ORDER, item: ORDER_ITEM, is }
}

const PLACED_ORDER: Shop = order("Placed Order", Act::Purchase);

/// The events by the names of the specification, in lower case, versions 2 and 1.
pub static SHOP: &[(&str, Shop)] = &[
    ("product viewed", VIEWED_PRODUCT),
    ("viewed product", VIEWED_PRODUCT),
    ("product clicked", VIEWED_PRODUCT),
    ("product added", ADDED_TO_CART),
    ("added product", ADDED_TO_CART),
    ("checkout started", STARTED_CHECKOUT),
    ("order completed", PLACED_ORDER),
    ("completed order", PLACED_ORDER),
    ("order fulfilled", order("Fulfilled Order", Act::Order)),
    ("order cancelled", order("Cancelled Order", Act::Order)),
    ("order refunded", order("Refunded Order", Act::Order)),
];

const CATEGORIES: Key = key!("Categories");
pub const ORDER_ID: Key = key!("OrderId");
/// What a product costs as often as it was bought.
pub const ROW_TOTAL: Key = key!("RowTotal");

/// Names that differ between a product in a cart, in an order, and as an event of its own.
#[derive(Clone, Copy, Debug)]
pub struct ItemNames {
    pub categories: Key,
    pub brand: Key,
}

const CART_ITEM: ItemNames = ItemNames { categories: key!("ProductCategories"), brand: key!("Brand") };
const ORDER_ITEM: ItemNames = ItemNames { categories: CATEGORIES, brand: key!("Brand") };
/// Of a product that was ordered, as an event of its own.
pub const PRODUCT: ItemNames = ItemNames { categories: key!("ProductCategories"), brand: key!("ProductBrand") };

/// What a property of a product is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    Plain,
    Name,
    Price,
    Quantity,
    Total,
    Categories,
    Brand,
}

const fn part(to: Key, from: &'static [&'static str], part: Part) -> Row {
    Row { to, from, is: Is::Part(part) }
}

/// The properties of a product.
pub static ITEM: Names = Names::of(&[
    part(key!("ProductID"), &["product_id", "id"], Part::Plain),
    part(key!("SKU"), &["sku"], Part::Plain),
    part(key!("ProductName"), &["name"], Part::Name),
    part(key!("Quantity"), &["quantity"], Part::Quantity),
    part(key!("ItemPrice"), &["price"], Part::Price),
    part(ROW_TOTAL, &["row_total"], Part::Total),
    part(key!("ProductURL"), &["url"], Part::Plain),
    part(key!("ImageURL"), &["image_url"], Part::Plain),
    // What these two are called ItemNames says.
    part(CATEGORIES, &["categories", "category", "ProductCategories"], Part::Categories),
    part(key!("Brand"), &["brand", "ProductBrand"], Part::Brand),
]);
