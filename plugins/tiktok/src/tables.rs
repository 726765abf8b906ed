//! What events and fields of the Segment specification are called by the vendor.

/// The vendor's name for an event: of an app, and of any other event source.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub web: &'static str,
    /// Empty where apps have no such standard event.
    pub app: &'static str,
}

const fn both(name: &'static str) -> Names {
    Names { web: name, app: name }
}

const fn web(name: &'static str) -> Names {
    Names { web: name, app: "" }
}

const fn app(name: &'static str) -> Names {
    Names { web: "", app: name }
}

/// What an order becomes on the web, before the setting `purchase_event`.
pub const PURCHASE: &str = "Purchase";
/// What a form becomes, before the setting `form_event`.
pub const LEAD: &str = "Lead";

/// Track events, in lower case. Sources: the presets of tiktok-conversions and tiktok-app-events; the
/// names of the Segment specification, versions 2 and 1.
pub const EVENTS: &[(&str, Names)] = &[
    ("product viewed", both("ViewContent")),
    ("viewed product", both("ViewContent")),
    ("product added", both("AddToCart")),
    ("added product", both("AddToCart")),
    ("checkout started", Names { web: "InitiateCheckout", app: "Checkout" }),
    ("order completed", both(PURCHASE)),
    ("completed order", both(PURCHASE)),
    ("products searched", both("Search")),
    ("product clicked", web("ClickButton")),
    ("product added to wishlist", both("AddToWishlist")),
    ("payment info entered", both("AddPaymentInfo")),
    ("order placed", web("PlaceAnOrder")),
    ("signed up", Names { web: "CompleteRegistration", app: "Registration" }),
    ("subscription created", both("Subscribe")),
    ("user subscribed", app("Subscribe")),
    ("trial started", both("StartTrial")),
    ("form submitted", web(LEAD)),
    ("lead generated", Names { web: LEAD, app: "GenerateLead" }),
    ("callback started", web("Contact")),
    ("download link clicked", web("Download")),
    ("application installed", app("InstallApp")),
    ("application opened", app("LaunchAPP")),
    ("signed in", app("Login")),
    ("level achieved", app("AchieveLevel")),
    ("tutorial completed", app("CompleteTutorial")),
    ("group created", app("CreateGroup")),
    ("group joined", app("JoinGroup")),
    ("role created", app("CreateRole")),
    ("application ad clicked", app("InAppADClick")),
    ("application ad served", app("InAppADImpr")),
    ("loan application submitted", app("LoanApplication")),
    ("loan approved", app("LoanApproval")),
    ("loan disbursed", app("LoanDisbursal")),
    ("rating completed", app("Rate")),
    ("credits spent", app("SpendCredits")),
    ("achievement unlocked", app("UnlockAchievement")),
];

/// What `content_type` may be. Source: ads.tiktok.com/help/article/about-parameters.
pub const CONTENT_TYPES: &[&str] = &["product", "product_group"];

/// What `delivery_category` may be. Source: tiktok-conversions, common_fields.ts.
pub const DELIVERY_CATEGORIES: &[&str] = &["in_store", "curbside", "home_delivery"];

/// Properties that events have anyway.
pub const OWN_PROPERTIES: &[&str] = &[
    "contents",
    "content_type",
    "content_ids",
    "currency",
    "value",
    "order_id",
    "query",
    "search_string",
    "description",
    "num_items",
    "shop_id",
    "status",
    "delivery_category",
    "predicted_ltv",
];

/// What `att_status` may be. Source: tiktok-app-events, constants.ts.
pub const ATT_STATUSES: &[&str] = &["AUTHORIZED", "DENIED", "NOT_DETERMINED", "RESTRICTED", "NOT_APPLICABLE"];

/// Currencies that the vendor knows. Source: ads.tiktok.com/help/article/about-parameters;
/// tiktok-business-api-sdk, PixelProperties.
pub const CURRENCIES: &str = "AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ \
    HKD HNL HUF IDR ILS INR ISK JPY KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR \
    RON RUB SAR SEK SGD THB TRY TWD UAH USD VES VND ZAR";

/// Names under which senders give what is meant for this vendor in `integrations`, whatever their case.
/// Source: the names of the vendor at Segment and RudderStack.
pub const INTEGRATIONS: &[&str] = &[
    "TikTok",
    "TikTok Conversions",
    "TikTok App Events",
    "TikTok Offline Conversions",
    "Actions TikTok Conversions",
    "TikTok Ads",
    "TIKTOK_ADS",
];
