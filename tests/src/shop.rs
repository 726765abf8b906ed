//! A shop's events as its web server and its app send them: visitors look around, some buy.
//! The same seed gives the same events, but for the time that the caller sets.

use serde_json::{Map, Value, json};

/// A small generator of numbers, the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

struct Product {
    id: &'static str,
    name: &'static str,
    brand: &'static str,
    category: &'static str,
    cents: u64,
}

const PRODUCTS: [Product; 6] = [
    Product { id: "P-1001", name: "Trail Shoe", brand: "Fjellvik", category: "Shoes", cents: 12_900 },
    Product { id: "P-1002", name: "Rain Jacket", brand: "Fjellvik", category: "Jackets", cents: 18_950 },
    Product { id: "P-1003", name: "Wool Socks", brand: "Lamm", category: "Socks", cents: 1_490 },
    Product { id: "P-1004", name: "Day Pack 22 l", brand: "Tragwerk", category: "Packs", cents: 8_900 },
    Product { id: "P-1005", name: "Bottle \"Klar\" 0,7 l", brand: "Quell", category: "Accessories", cents: 2_450 },
    Product { id: "P-1006", name: "Mütze", brand: "Lamm", category: "Hats", cents: 2_990 },
];

const CAMPAIGNS: [(&str, &str); 3] = [("autumn-sale", "email"), ("brand", "cpc"), ("newsletter-48", "email")];
const LOCALES: [&str; 3] = ["de-DE", "en-GB", "fr-FR"];

/// A visitor with a session of events.
struct Visitor {
    number: u64,
    dice: Dice,
    seed: u64,
    steps: u64,
    clock_ms: u64,
    known: bool,
    events: Vec<Value>,
}

/// The events of so many visitors, the first at `start_ms` (milliseconds since 1970).
pub fn stream(seed: u64, visitors: u64, start_ms: u64) -> Vec<Value> {
    (0..visitors).flat_map(|number| session(seed, number, start_ms + number * 1_000)).collect()
}

fn session(seed: u64, number: u64, start_ms: u64) -> Vec<Value> {
    let dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let mut visitor = Visitor { number, dice, seed, steps: 0, clock_ms: start_ms, known: false, events: Vec::new() };
    visitor.look_around();
    match number % 3 {
        0 => visitor.buy(),
        1 => visitor.sign_up(),
        _ => visitor.open_the_app(),
    }
    visitor.events
}

impl Visitor {
    fn look_around(&mut self) {
        self.page("Home", "/");
        let shown: Vec<Value> = (0..3).map(|position| self.product(position)).collect();
        self.track("Product List Viewed", json!({"list_id": "outdoor", "category": "Outdoor", "products": shown}));
        let product = self.product(0);
        self.page(&text(&product, "name"), &format!("/p/{}", text(&product, "product_id")));
        self.track("Product Viewed", with(product, json!({"currency": "EUR"})));
    }

    fn buy(&mut self) {
        let products: Vec<Value> = (0..3).map(|position| self.product(position)).collect();
        let cart = format!("cart-{}-{}", self.seed, self.number);
        for product in &products {
            self.track("Product Added", with(product.clone(), json!({"cart_id": cart, "currency": "EUR"})));
        }
        let order = self.order(&products);
        self.track("Checkout Started", order.clone());
        self.identify();
        let step = json!({"checkout_id": cart, "step": 2, "shipping_method": "DHL", "payment_method": "Card"});
        self.track("Checkout Step Completed", step);
        self.track("Order Completed", order);
    }

    fn sign_up(&mut self) {
        let previous = self.anonymous_id();
        self.track("Signed Up", json!({"method": "email"}));
        self.identify();
        self.push("alias", json!({"previousId": previous}));
        let traits = json!({"name": "Bergfreunde e.V.", "industry": "Clubs", "employees": 42, "plan": "club"});
        self.push("group", json!({"groupId": "club-7", "traits": traits}));
    }

    fn open_the_app(&mut self) {
        self.push("screen", json!({"name": "Wishlist", "properties": {"items": 2}}));
        let product = self.product(1);
        self.track("Product Added to Wishlist", with(product, json!({"wishlist_id": "wl-1"})));
        self.track("Products Searched", json!({"query": "mütze & \"socken\" 100 % wolle"}));
    }

    fn identify(&mut self) {
        self.known = true;
        let number = self.number;
        let traits = json!({
            "email": format!("Visitor{number}@Example.com"), "firstName": "Ana", "lastName": "Núñez",
            "phone": "+49 30 901820", "plan": "member", "createdAt": "2024-03-01T09:30:00.000Z",
            "address": {"city": "Berlin", "postalCode": "10178", "country": "DE"},
        });
        self.push("identify", json!({"traits": traits}));
    }

    fn page(&mut self, name: &str, path: &str) {
        let url = format!("https://shop.example{path}");
        let properties =
            json!({"title": format!("{name} – Shop"), "path": path, "url": url, "referrer": "https://search.example/"});
        self.push("page", json!({"name": name, "properties": properties}));
    }

    fn track(&mut self, event: &str, properties: Value) {
        self.push("track", json!({"event": event, "properties": properties}));
    }

    fn push(&mut self, kind: &str, own: Value) {
        self.steps += 1;
        self.clock_ms += 1 + self.dice.below(5_000);
        let mut event = json!({
            "type": kind,
            "messageId": format!("shop-{}-{}-{}", self.seed, self.number, self.steps),
            "anonymousId": self.anonymous_id(),
            "timestamp": iso8601(self.clock_ms),
            "context": self.context(),
            "integrations": {"All": true},
        });
        if self.known || kind == "alias" {
            event["userId"] = json!(format!("user-{}", self.number));
        }
        self.events.push(with(event, own));
    }

    fn anonymous_id(&self) -> String {
        format!("anon-{}-{}", self.seed, self.number)
    }

    fn context(&mut self) -> Value {
        let (campaign, medium) = CAMPAIGNS[(self.number % 3) as usize];
        json!({
            "ip": format!("203.0.113.{}", 1 + self.number % 250),
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
            "locale": LOCALES[(self.number % 3) as usize],
            "timezone": "Europe/Berlin",
            "library": {"name": "shop-server", "version": "2.1.0"},
            "page": {"url": "https://shop.example/outdoor?utm_source=letter", "path": "/outdoor", "title": "Outdoor"},
            "campaign": {"name": campaign, "source": "letter", "medium": medium},
            "device": {"type": "desktop", "manufacturer": "Example"},
            "os": {"name": "Linux", "version": "6.12"},
            "screen": {"width": 1920, "height": 1080, "density": 2},
        })
    }

    fn product(&mut self, position: u64) -> Value {
        let product = self.dice.pick(&PRODUCTS);
        let quantity = 1 + self.dice.below(3);
        json!({
            "product_id": product.id, "sku": format!("{}-M", product.id), "name": product.name,
            "brand": product.brand, "category": product.category, "variant": "M", "position": position + 1,
            "price": product.cents as f64 / 100.0, "quantity": quantity,
            "url": format!("https://shop.example/p/{}", product.id),
        })
    }

    fn order(&mut self, products: &[Value]) -> Value {
        let cents = |product: &Value| {
            let price = product["price"].as_f64().unwrap_or_default();
            (price * 100.0).round() as u64 * product["quantity"].as_u64().unwrap_or_default()
        };
        let subtotal: u64 = products.iter().map(cents).sum();
        let euros = |cents: u64| cents as f64 / 100.0;
        json!({
            "order_id": format!("o-{}-{}", self.seed, self.number), "affiliation": "Web", "currency": "EUR",
            "subtotal": euros(subtotal), "shipping": 4.9, "tax": euros(subtotal * 19 / 100),
            "revenue": euros(subtotal), "total": euros(subtotal + 490 + subtotal * 19 / 100),
            "coupon": "HERBST", "products": products,
        })
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_string()
}

fn with(base: Value, more: Value) -> Value {
    let mut fields: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    fields.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

/// A track event of about so many bytes, for load.
pub fn padded(message_id: &str, bytes: usize) -> Value {
    let event = json!({
        "type": "track", "event": "Product Viewed", "messageId": message_id, "userId": "user-1", "properties": {"product_id": "P-1001", "price": 129.0, "note": ""},
    });
    let missing = bytes.saturating_sub(event.to_string().len());
    let mut padded = event;
    padded["properties"]["note"] = Value::from("n".repeat(missing));
    padded
}

/// A time in ISO 8601 with milliseconds, in UTC.
pub fn iso8601(ms: u64) -> String {
    let (days, rest) = ((ms / 86_400_000) as i64, ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, milliseconds) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z")
}

/// The date of a day since 1970-01-01, in the proleptic Gregorian calendar: eras of 400 years that
/// begin in March, so that the leap day is the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{iso8601, padded, stream};
    use crate::expect::message_ids;

    #[test]
    fn the_same_seed_gives_the_same_events_and_each_its_own_id() {
        let events = stream(7, 9, 1_700_000_000_000);
        assert_eq!(events, stream(7, 9, 1_700_000_000_000));
        let mut ids = message_ids(&events);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), events.len());
        for kind in ["track", "identify", "page", "screen", "group", "alias"] {
            assert!(events.iter().any(|event| event["type"] == kind), "{kind}");
        }
    }

    #[test]
    fn times_and_sizes_are_right() {
        assert_eq!(iso8601(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(iso8601(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(padded("m", 1024).to_string().len(), 1024);
    }
}
