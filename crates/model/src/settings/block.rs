//! One declaration a key: `/// what it is` and `key: Type = default` make everything else.
//!
//! Of them the macro makes the field, its default, the reader of the file and the JSON schema, of
//! which a test makes the page of the manual (`docs/settings.md`). A key that is not known is
//! refused; one without a value counts as left out. A key without a default is one that must be
//! there, unless it is an `Option`. The word after `as` names the block in the schema.
//!
//! The file's own keys are in `config/file.rs`; there a mistake leaves out one part and no more.

/// Declares a block of `snapback.yaml`.
///
/// ```
/// model::settings_block! {
///     /// How things behave.
///     #[derive(Debug)]
///     pub struct ThingsBlock as "things" {
///         /// So many are made.
///         number: u32 = 3,
///     }
/// }
/// let block: ThingsBlock = serde_json::from_str("{}").expect("nothing must be said");
/// assert_eq!((block.number, ThingsBlock::default().number), (3, 3));
/// ```
#[macro_export]
macro_rules! settings_block {
    (@block
        $(#[$meta:meta])*
        $vis:vis struct $name:ident as $word:tt {
            $($(#[$about:meta])* $key:ident: $kind:ty $(= $usual:expr)?,)*
        }
    ) => {
        #[derive(::schemars::JsonSchema)]
        #[schemars(rename = $word, deny_unknown_fields)]
        $(#[$meta])*
        $vis struct $name {
            $($(#[$about])* $(#[schemars(extend("default" = $usual))])? pub $key: $kind,)*
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct $name {
                    $($key: $crate::settings_block!(@written $kind $(, $usual)?),)*
                }
                let written = <$name as ::serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self { $($key: $crate::settings_block!(@value written.$key $(, $usual)?),)* })
            }
        }
    };
    (@written $kind:ty) => { $kind };
    (@written $kind:ty, $usual:expr) => { ::core::option::Option<$kind> };
    (@value $written:expr) => { $written };
    (@value $written:expr, $usual:expr) => {
        match $written {
            Some(written) => written,
            None => $usual,
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident as $word:tt {
            $($(#[$about:meta])* $key:ident: $kind:ty = $usual:expr,)*
        }
    ) => {
        $crate::settings_block! {
            @block
            $(#[$meta])*
            $vis struct $name as $word { $($(#[$about])* $key: $kind = $usual,)* }
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self { $($key: $usual,)* }
            }
        }
    };
    ($($tokens:tt)*) => { $crate::settings_block! { @block $($tokens)* } };
}
