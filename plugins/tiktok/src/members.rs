//! What the plugin reads of an event's objects: each is walked once, and its members are found on the
//! way. A member with several names is the first of them that is said.

use switchyard_sdk::members;

members! {
    /// What decides which request an event goes into: of `properties`, or of the vendor's own options.
    pub struct Routing {
        event_source: b"event_source" | b"eventSource",
        event_source_id: b"event_source_id" | b"pixel_code",
        test_event_code: b"test_event_code" | b"testEventCode",
    }
}

members! {
    /// `properties`. Sources: the Segment specification; tiktok-conversions, common_fields.ts;
    /// ads.tiktok.com/help/article/about-parameters.
    pub struct Properties {
        event_id: b"event_id" | b"eventId",
        external_id: b"external_id",
        email: b"email",
        phone: b"phone" | b"phone_number" | b"phoneNumber",
        first_name: b"first_name" | b"firstName" | b"firstname",
        last_name: b"last_name" | b"lastName" | b"lastname",
        address: b"address",
        ttclid: b"ttclid",
        ttp: b"ttp" | b"_ttp",
        url: b"url",
        referrer: b"referrer",
        limited_data_use: b"limited_data_use",
        products: b"products",
        contents: b"contents",
        content_ids: b"content_ids",
        content_type: b"content_type" | b"contentType",
        currency: b"currency",
        total: b"total",
        revenue: b"revenue",
        value: b"value",
        price: b"price",
        quantity: b"quantity",
        order_id: b"order_id" | b"orderId",
        query: b"query",
        search_string: b"search_string",
        description: b"description",
        num_items: b"num_items",
        shop_id: b"shop_id" | b"shopId",
        status: b"status",
        delivery_category: b"delivery_category",
        predicted_ltv: b"predicted_ltv",
    }
}

members! {
    /// A product of the Segment specification, or an element of the vendor's own `contents`.
    pub struct Product {
        product_id: b"product_id",
        sku: b"sku",
        content_id: b"content_id",
        name: b"name" | b"content_name",
        category: b"category" | b"content_category",
        brand: b"brand",
        price: b"price",
        quantity: b"quantity",
    }
}

members! {
    /// `context`.
    pub struct Context {
        ip: b"ip",
        user_agent: b"userAgent",
        locale: b"locale",
        page: b"page",
        traits: b"traits",
        client_ids: b"clientIds",
        ttclid: b"ttclid",
        ttp: b"ttp" | b"_ttp",
        app: b"app",
        device: b"device",
        os: b"os",
    }
}

members! {
    /// A user's traits.
    pub struct Traits {
        email: b"email",
        phone: b"phone" | b"phone_number" | b"phoneNumber",
        first_name: b"firstName" | b"first_name" | b"firstname",
        last_name: b"lastName" | b"last_name" | b"lastname",
        address: b"address",
    }
}

members! {
    /// An address, or the traits that have its parts.
    pub struct Address {
        city: b"city",
        state: b"state" | b"region",
        country: b"country",
        postal_code: b"postalCode" | b"postal_code" | b"zip" | b"zipcode" | b"zip_code",
    }
}

members! {
    /// What `integrations` has for this vendor.
    pub struct Own {
        external_id: b"external_id",
        ttclid: b"ttclid",
        ttp: b"ttp" | b"_ttp",
        att_status: b"att_status" | b"attStatus",
        limited_data_use: b"limited_data_use",
        ad: b"ad",
        lead: b"lead",
    }
}

members! {
    /// What an ad network knows of an app's event. Sources: tiktok-app-events, common_fields.ts;
    /// RudderStack's names.
    pub struct Ad {
        callback: b"callback" | b"callBack",
        campaign_id: b"campaign_id" | b"campaignId",
        ad_id: b"ad_id" | b"adId",
        creative_id: b"creative_id" | b"creativeId",
        is_retargeting: b"is_retargeting" | b"isRetargeting",
        attributed: b"attributed",
        attribution_type: b"attribution_type" | b"attributionType",
        attribution_provider: b"attribution_provider" | b"attributionProvider",
    }
}

members! {
    /// What a sales system knows of a lead. Source: tiktok-conversions, crm_fields.ts.
    pub struct Lead {
        lead_id: b"lead_id" | b"leadId",
        lead_event_source: b"lead_event_source" | b"leadEventSource",
    }
}
