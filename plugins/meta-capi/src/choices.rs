//! What the settings let an operator choose; plugin.toml says what each means.

use switchyard_sdk::prelude::Deserialize;

use crate::rules::ActionSource;

/// Where the access token stands in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenIn {
    #[default]
    Header,
    Query,
}

/// Where events take place whose sender does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    #[default]
    Automatic,
    Website,
    App,
    Email,
    PhoneCall,
    Chat,
    PhysicalStore,
    SystemGenerated,
    Other,
}

impl Source {
    /// The one that all events have; None where it depends on the event.
    pub fn fixed(self) -> Option<ActionSource> {
        Some(match self {
            Source::Automatic => return None,
            Source::Website => ActionSource::Website,
            Source::App => ActionSource::App,
            Source::Email => ActionSource::Email,
            Source::PhoneCall => ActionSource::PhoneCall,
            Source::Chat => ActionSource::Chat,
            Source::PhysicalStore => ActionSource::PhysicalStore,
            Source::SystemGenerated => ActionSource::SystemGenerated,
            Source::Other => ActionSource::Other,
        })
    }
}

/// What becomes of an event that lacks what its place asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incomplete {
    #[default]
    Other,
    SystemGenerated,
    Reject,
}

/// What becomes of track events that are none of the vendor's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomEvents {
    #[default]
    Send,
    Skip,
}

/// What becomes of screens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Screens {
    #[default]
    PageView,
    Skip,
}

/// Which id of a product the vendor's catalog has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductId {
    #[default]
    ProductId,
    Sku,
}

/// What the ids of products stand for in the vendor's catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    #[default]
    Product,
    ProductGroup,
}

impl ContentType {
    /// What the vendor calls it.
    pub fn name(self) -> &'static str {
        match self {
            ContentType::Product => "product",
            ContentType::ProductGroup => "product_group",
        }
    }
}

/// Which ids are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalIds {
    #[default]
    Both,
    UserId,
    AnonymousId,
    None,
}

/// What becomes of an event whose user denied consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDenied {
    #[default]
    Skip,
    LimitedDataUse,
    OptOut,
    Send,
}

/// Which events ask for limited data use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedDataUse {
    #[default]
    WhenAsked,
    Always,
    Off,
}

/// The state for which data use is limited. Source: developers.facebook.com/docs/marketing-apis/data-processing-options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Geolocate = 0,
    California = 1_000,
    Colorado = 1_001,
    Connecticut = 1_002,
    Florida = 1_003,
    Oregon = 1_004,
    Texas = 1_005,
    Montana = 1_006,
    Delaware = 1_007,
    Nebraska = 1_008,
    NewHampshire = 1_009,
    NewJersey = 1_010,
    Minnesota = 1_011,
    Maryland = 1_012,
    RhodeIsland = 1_013,
}
