//! Events as the Segment specification types them: calls with their members, the events of a shop, and
//! what an order and a product have. Nothing is parsed or copied; a member that is not there is null or
//! None.
//!
//! Sources: segment.com/docs/connections/spec and its page on e-commerce, version 2.

use crate::event::{Event, Kind};
use crate::members;
use crate::name;
use crate::value::Value;

/// An event by its kind.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// Something a user did.
    Track(Track<'a>),
    /// Who a user is.
    Identify(Identify<'a>),
    /// A web page seen.
    Page(View<'a>),
    /// A screen of an app seen.
    Screen(View<'a>),
    /// What a user belongs to.
    Group(Group<'a>),
    /// Two identities of one user.
    Alias(Alias<'a>),
    /// A kind that this SDK does not know.
    Other,
}

/// Something a user did.
#[derive(Clone, Copy, Debug)]
pub struct Track<'a> {
    /// What.
    pub event: Value<'a>,
    /// More of it.
    pub properties: Value<'a>,
}

/// Who a user is.
#[derive(Clone, Copy, Debug)]
pub struct Identify<'a> {
    /// What is known of the user; of the context where the event has none itself.
    pub traits: Value<'a>,
}

/// A page or a screen.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its name.
    pub name: Value<'a>,
    /// The group of pages that it is of.
    pub category: Value<'a>,
    /// More of it.
    pub properties: Value<'a>,
}

/// What a user belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The group's id.
    pub group_id: Value<'a>,
    /// What is known of the group.
    pub traits: Value<'a>,
}

/// Two identities of one user.
#[derive(Clone, Copy, Debug)]
pub struct Alias<'a> {
    /// The one from now on.
    pub user_id: Value<'a>,
    /// The one before.
    pub previous_id: Value<'a>,
}

impl<'a> Event<'a> {
    /// The event by its kind.
    pub fn call(&self) -> Call<'a> {
        let view = || View { name: self.page_name(), category: self.page_category(), properties: self.properties() };
        match self.kind() {
            Kind::Track => Call::Track(Track { event: self.event_name(), properties: self.properties() }),
            Kind::Identify => Call::Identify(Identify { traits: self.user_traits() }),
            Kind::Page => Call::Page(view()),
            Kind::Screen => Call::Screen(view()),
            Kind::Group => Call::Group(Group { group_id: self.get("groupId"), traits: self.own_traits() }),
            Kind::Alias => Call::Alias(Alias { user_id: self.get("userId"), previous_id: self.get("previousId") }),
            Kind::Other => Call::Other,
        }
    }
}

impl<'a> Track<'a> {
    /// Which event of a shop it is, whatever the case of its name.
    pub fn shop(&self) -> Option<Shop> {
        name::lookup(SHOP, &self.event.as_str()?).copied()
    }

    /// Its properties as those of an order or a cart.
    pub fn order(&self) -> Order<'a> {
        Order::of(self.properties)
    }

    /// Its properties as those of one product.
    pub fn product(&self) -> Product<'a> {
        Product::of(self.properties)
    }
}

macro_rules! shop {
    ($($(#[$doc:meta])* $event:ident = $name:literal,)*) => {
        /// The events of a shop.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Shop {
            $($(#[$doc])* $event,)*
        }

        const SHOP: &[(&str, Shop)] = &[$(($name, Shop::$event),)*];
    };
}

shop! {
    /// Products were searched for.
    ProductsSearched = "products searched",
    /// A list of products was seen.
    ProductListViewed = "product list viewed",
    /// A list of products was filtered.
    ProductListFiltered = "product list filtered",
    /// A promotion was seen.
    PromotionViewed = "promotion viewed",
    /// A promotion was clicked.
    PromotionClicked = "promotion clicked",
    /// A product was clicked.
    ProductClicked = "product clicked",
    /// A product was seen.
    ProductViewed = "product viewed",
    /// A product was put into the cart.
    ProductAdded = "product added",
    /// A product was taken out of the cart.
    ProductRemoved = "product removed",
    /// The cart was seen.
    CartViewed = "cart viewed",
    /// The way to the till was begun.
    CheckoutStarted = "checkout started",
    /// A step of it was seen.
    CheckoutStepViewed = "checkout step viewed",
    /// A step of it was done.
    CheckoutStepCompleted = "checkout step completed",
    /// How to pay was said.
    PaymentInfoEntered = "payment info entered",
    /// An order was changed.
    OrderUpdated = "order updated",
    /// An order was placed.
    OrderCompleted = "order completed",
    /// An order was paid back, or a part of it.
    OrderRefunded = "order refunded",
    /// An order was cancelled.
    OrderCancelled = "order cancelled",
    /// A coupon was entered.
    CouponEntered = "coupon entered",
    /// A coupon was taken.
    CouponApplied = "coupon applied",
    /// A coupon was refused.
    CouponDenied = "coupon denied",
    /// A coupon was taken back.
    CouponRemoved = "coupon removed",
    /// A product was put onto a wish list.
    ProductAddedToWishlist = "product added to wishlist",
    /// A product was taken off a wish list.
    ProductRemovedFromWishlist = "product removed from wishlist",
    /// A product went from a wish list into the cart.
    WishlistProductAddedToCart = "wishlist product added to cart",
    /// A product was shown to somebody else.
    ProductShared = "product shared",
    /// A cart was shown to somebody else.
    CartShared = "cart shared",
    /// A product was reviewed.
    ProductReviewed = "product reviewed",
}

members! {
    /// What an order, a cart or a checkout has.
    pub struct Order {
        /// The order's id.
        order_id: b"order_id" | b"orderId",
        /// The checkout's id.
        checkout_id: b"checkout_id",
        /// The cart's id.
        cart_id: b"cart_id",
        /// The shop that it was placed in.
        affiliation: b"affiliation",
        /// What was paid.
        total: b"total",
        /// The products before discounts, shipping and tax.
        subtotal: b"subtotal",
        /// Without shipping and tax.
        revenue: b"revenue",
        /// What the sender calls so.
        value: b"value",
        /// For sending it.
        shipping: b"shipping",
        /// For the state.
        tax: b"tax",
        /// What was taken off.
        discount: b"discount",
        /// By which coupon.
        coupon: b"coupon",
        /// The currency of all of these.
        currency: b"currency",
        /// The list of products.
        products: b"products",
    }
}

members! {
    /// What a product has.
    pub struct Product {
        /// Its id.
        product_id: b"product_id",
        /// Its number in the shop.
        sku: b"sku",
        /// What it is called.
        name: b"name",
        /// What kind of product it is.
        category: b"category",
        /// Who makes it.
        brand: b"brand",
        /// Which of its kinds.
        variant: b"variant",
        /// Of one piece.
        price: b"price",
        /// How many pieces.
        quantity: b"quantity",
        /// The currency of the price.
        currency: b"currency",
        /// By which coupon it is cheaper.
        coupon: b"coupon",
        /// Its place in a list.
        position: b"position",
        /// Its page.
        url: b"url",
        /// Its picture.
        image_url: b"image_url",
    }
}

impl<'a> Order<'a> {
    /// The products that are objects, with their places in the list.
    pub fn products(&self) -> impl Iterator<Item = (usize, Product<'a>)> {
        let list = self.products.filter(Value::is_array);
        let all = list.into_iter().flat_map(|list| list.children().enumerate());
        all.filter(|(_, product)| product.is_object()).map(|(place, product)| (place, Product::of(product)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::native;

    #[test]
    fn an_order_is_read_by_its_members() {
        let order = json!({
            "type": "track", "messageId": "m", "event": " order COMPLETED ",
            "properties": {
                "orderId": "o-1", "order_id": " ", "total": 12.5,
                "products": [{"sku": "a", "price": 3}, "no product", {"product_id": "b", "quantity": 2}],
            },
        });
        let batch = native::batch(0, &[order]);
        let Call::Track(track) = batch.event(0).call() else { panic!("a track") };
        assert_eq!(track.shop(), Some(Shop::OrderCompleted));
        let order = track.order();
        assert_eq!(order.order_id.unwrap().as_str().as_deref(), Some("o-1"));
        assert_eq!(order.total.unwrap().as_f64(), Some(12.5));
        assert!(order.coupon.is_none());
        let products: Vec<_> = order.products().collect();
        assert_eq!(products.len(), 2);
        assert_eq!((products[0].0, products[0].1.sku.unwrap().as_str().as_deref()), (0, Some("a")));
        assert_eq!((products[1].0, products[1].1.quantity.unwrap().as_i64()), (2, Some(2)));
    }

    #[test]
    fn each_kind_has_its_members() {
        let events = [
            json!({"type": "identify", "messageId": "1", "traits": {}, "context": {"traits": {"plan": "x"}}}),
            json!({"type": "page", "messageId": "2", "name": "Cart", "properties": {"category": "Shop"}}),
            json!({"type": "screen", "messageId": "3", "name": "Home"}),
            json!({"type": "group", "messageId": "4", "groupId": "g", "traits": {"size": 3}}),
            json!({"type": "alias", "messageId": "5", "userId": "u", "previousId": "p"}),
            json!({"type": "track", "messageId": "6", "event": "Signed Up"}),
        ];
        let batch = native::batch(0, &events);
        let text = |value: Value<'_>| value.as_text().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let said: Vec<String> = batch
            .iter()
            .map(|event| match event.call() {
                Call::Identify(identify) => text(identify.traits.child("plan")),
                Call::Page(view) | Call::Screen(view) => text(view.name) + &text(view.category),
                Call::Group(group) => text(group.group_id) + &text(group.traits.child("size")),
                Call::Alias(alias) => text(alias.user_id) + &text(alias.previous_id),
                Call::Track(track) => format!("{} {:?}", text(track.event), track.shop()),
                Call::Other => String::new(),
            })
            .collect();
        assert_eq!(said, ["x", "CartShop", "Home", "g3", "up", "Signed Up None"]);
    }
}
