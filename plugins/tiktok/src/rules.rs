//! The vendor's bounds, its codes, and what it knows of each event.

/// Events of a request. Source: portal/docs?id=1771100779668482.
pub const EVENTS_MAX: usize = 1_000;
/// Bytes of a body. The vendor names no bound; this is what Tealium's connector keeps to. Source:
/// docs.tealium.com/server-side-connectors/tiktok-events-connector.
pub const BODY_BYTES_MAX: usize = 1_000_000;
/// Characters of an event's own name. Source: ads.tiktok.com/help/article/custom-events.
pub const NAME_CHARACTERS_MAX: usize = 50;
/// Characters of a phone number, its plus included. Source: tiktok-app-events, formatter.ts.
pub const PHONE_CHARACTERS_MAX: usize = 15;
/// The oldest version of iOS that asks users whether they may be tracked. Source: tiktok-app-events,
/// att_status.
pub const ASKING_IOS_VERSION: u64 = 14;

/// The wait after "too many requests". Ours: the vendor names none, and counts by the second (1,000
/// requests), the minute and the day. Source: portal/docs?id=1771100779668482, API limits.
pub const THROTTLED_MS: u64 = 10_000;
/// Characters of an event source's id that a tag holds. Ours: ids have some twenty, and the host takes
/// 65,536 bytes of tag (host/src/plugin/limits.rs).
pub const TAG_CHARACTERS_MAX: usize = 100;

/// What a code means for the request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// The vendor has it.
    Taken,
    /// The token is no good, or not for this event source.
    Credential,
    /// Too much at a time.
    Throttled,
    /// The vendor is in trouble.
    Trouble,
    /// The vendor does not want it.
    Refused,
}

/// The codes that mean something else than [`meaning`] reads from their thousands. Source:
/// tiktok-business-api-sdk, tiktok_code.py; 40700 is tried again by RudderStack too.
const CODES: &[(i64, Meaning)] = &[
    (0, Meaning::Taken),
    // Partial success: the vendor does not say of what.
    (20001, Meaning::Taken),
    // No permission for the pixel, app or event set.
    (40001, Meaning::Credential),
    (40100, Meaning::Throttled),
    // The token is expired, missing or wrong, or belongs to nobody.
    (40102, Meaning::Credential),
    (40104, Meaning::Credential),
    (40105, Meaning::Credential),
    (40106, Meaning::Credential),
    // The developer's app is forbidden, not on the list, turned down, or without the scope.
    (40113, Meaning::Credential),
    (40118, Meaning::Credential),
    (40124, Meaning::Credential),
    (40125, Meaning::Credential),
    (40130, Meaning::Credential),
    (40131, Meaning::Credential),
    (40132, Meaning::Throttled),
    // Not ready, and a conflict of writes.
    (40201, Meaning::Trouble),
    (40202, Meaning::Trouble),
    (40700, Meaning::Trouble),
    (61000, Meaning::Throttled),
];

/// What a code means. Those of 40,000 are about the request, higher ones about the vendor; lower ones
/// are unknown, and so are tried again.
pub fn meaning(code: i64) -> Meaning {
    match CODES.iter().find(|(known, _)| *known == code) {
        Some((_, meaning)) => *meaning,
        None if (40_000..50_000).contains(&code) => Meaning::Refused,
        None => Meaning::Trouble,
    }
}

/// Where the value of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worth {
    /// `value`, else `revenue`.
    Given,
    /// Total, revenue or value, by the setting; the products are in a list.
    Order,
    /// `value`, else price times quantity; the properties are the product, unless there is a list.
    Product,
}

/// Which event sources know a standard event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    /// Websites, shops and sales systems.
    Web,
    App,
    All,
}

/// One of the vendor's standard events.
#[derive(Clone, Copy, Debug)]
pub struct Standard {
    pub name: &'static str,
    pub of: Of,
    pub worth: Worth,
}

const fn standard(name: &'static str, of: Of, worth: Worth) -> Standard {
    Standard { name, of, worth }
}

/// The standard events. Sources: ads.tiktok.com/help/article/supported-standard-events;
/// portal/docs?id=1771101186666498, app standard events, as tiktok-app-events has them in presets.ts;
/// Pageview as in gtm-template-eapi.
pub const STANDARD: &[Standard] = &[
    standard("AddPaymentInfo", Of::All, Worth::Order),
    standard("AddToCart", Of::All, Worth::Product),
    standard("AddToWishlist", Of::All, Worth::Product),
    standard("ApplicationApproval", Of::Web, Worth::Given),
    standard("ClickButton", Of::Web, Worth::Product),
    standard("CompletePayment", Of::Web, Worth::Order),
    standard("CompleteRegistration", Of::Web, Worth::Given),
    standard("Contact", Of::Web, Worth::Given),
    standard("CustomizeProduct", Of::Web, Worth::Product),
    standard("Download", Of::Web, Worth::Given),
    standard("FindLocation", Of::Web, Worth::Given),
    standard("InitiateCheckout", Of::Web, Worth::Order),
    standard("Lead", Of::Web, Worth::Given),
    standard("Pageview", Of::Web, Worth::Given),
    standard("PlaceAnOrder", Of::Web, Worth::Order),
    standard("Purchase", Of::All, Worth::Order),
    standard("Schedule", Of::Web, Worth::Given),
    standard("Search", Of::All, Worth::Given),
    standard("StartTrial", Of::All, Worth::Given),
    standard("SubmitApplication", Of::Web, Worth::Given),
    standard("SubmitForm", Of::Web, Worth::Given),
    standard("Subscribe", Of::All, Worth::Given),
    standard("ViewContent", Of::All, Worth::Product),
    standard("AchieveLevel", Of::App, Worth::Given),
    standard("Checkout", Of::App, Worth::Order),
    standard("CompleteTutorial", Of::App, Worth::Given),
    standard("CreateGroup", Of::App, Worth::Given),
    standard("CreateRole", Of::App, Worth::Given),
    standard("GenerateLead", Of::App, Worth::Given),
    standard("InAppADClick", Of::App, Worth::Given),
    standard("InAppADImpr", Of::App, Worth::Given),
    standard("InstallApp", Of::App, Worth::Given),
    standard("JoinGroup", Of::App, Worth::Given),
    standard("LaunchAPP", Of::App, Worth::Given),
    standard("LoanApplication", Of::App, Worth::Given),
    standard("LoanApproval", Of::App, Worth::Given),
    standard("LoanDisbursal", Of::App, Worth::Given),
    standard("Login", Of::App, Worth::Given),
    standard("Rate", Of::App, Worth::Given),
    standard("Registration", Of::App, Worth::Given),
    standard("SpendCredits", Of::App, Worth::Given),
    standard("UnlockAchievement", Of::App, Worth::Given),
];

/// Names that the vendor counts as a standard event of another name: nobody's own event is called so.
/// Source: ads.tiktok.com/help/article/reserved-events.
pub const RESERVED: &[(&str, &str)] = &[
    ("addbilling", "AddPaymentInfo"),
    ("browse", "PageView"),
    ("checkout", "PlaceAnOrder"),
    ("clickform", "Lead"),
    ("clickindownloadpage", "ClickButton"),
    ("clicktodownload", "Download"),
    ("consult", "Contact"),
    ("consultbyphone", "Contact"),
    ("registration", "CompleteRegistration"),
    ("startcheckout", "InitiateCheckout"),
    ("viewconsultationpage", "ViewContent"),
    ("viewdownloadpage", "ViewContent"),
    ("viewform", "ViewContent"),
];
