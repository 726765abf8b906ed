//! The members of an object by their names, found in one walk.

/// A struct of an object's members, and the walk that finds them. A member may have several names, of
/// which the first that says something counts: anything but null and a blank text.
///
/// ```
/// switchyard_sdk::members! {
///     /// A product.
///     pub struct Product {
///         id: b"product_id" | b"sku",
///         price: b"price",
///     }
/// }
/// # use serde_json::json;
/// # let event = json!({"type": "track", "messageId": "m", "properties": {"product_id": " ", "sku": "P-1"}});
/// # #[cfg(feature = "native")] {
/// # let batch = switchyard_sdk::native::batch(0, &[event]);
/// # let event = batch.event(0);
/// let product = Product::of(event.properties());
/// assert_eq!(product.id.and_then(|id| id.as_str()).as_deref(), Some("P-1"));
/// assert!(product.price.is_none());
/// # }
/// ```
#[macro_export]
macro_rules! members {
    ($(#[$doc:meta])* $visible:vis struct $object:ident { $($(#[$field_doc:meta])* $field:ident: $($name:literal)|+,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        $visible struct $object<'a> {
            $($(#[$field_doc])* pub $field: Option<$crate::Value<'a>>,)*
        }

        impl<'a> $object<'a> {
            /// Finds the members of an object.
            $visible fn of(object: $crate::Value<'a>) -> $object<'a> {
                let mut found = $object::default();
                for value in object.children() {
                    let place = match value.raw_key() {
                        $($($name)|+ => &mut found.$field,)*
                        _ => continue,
                    };
                    if place.is_none() && value.is_said() {
                        *place = Some(value);
                    }
                }
                found
            }
        }
    };
}
