//! One declaration a key: `/// what it means` and `key: Type = default` make everything else.
//!
//! From them the macro makes the field, its default, the reader of the file and the JSON schema,
//! from which a test makes the manual's page (`docs/settings.md`). An unknown key is refused; a key
//! without a value counts as left out. A key without a default is required unless its type is an
//! `Option`. The word after `as` names the block in the schema and on the page.
//!
//! The top-level keys are in `config/file.rs`, where a mistake leaves out one part only.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

/// A block of `snapback.yaml` that [`settings_block!`](crate::settings_block) declares.
pub trait Block: DeserializeOwned + JsonSchema {
    /// Its name in the schema and on the manual's page.
    const WORD: &'static str;
    /// Its keys, in order.
    const KEYS: &'static [&'static str];

    /// The block as it was written, its keys looked at already.
    ///
    /// # Errors
    /// What is wrong with a value.
    fn of(written: &serde_json::Value) -> Result<Self, String> {
        Self::deserialize(written).map_err(|error| error.to_string())
    }

    /// What it declares.
    fn declared() -> Declared {
        Declared {
            named: SchemaGenerator::subschema_for::<Self>,
            keys: Self::json_schema,
        }
    }
}

/// What a key without a default has when it is left out; a key of any other type is required.
pub trait LeftOut {
    /// Returns that value.
    fn left_out() -> Self;
}

impl<T> LeftOut for Option<T> {
    fn left_out() -> Self {
        None
    }
}

/// What a block declares, without its type.
#[derive(Clone, Copy)]
pub struct Declared {
    /// The schema of a key that holds the block: its name, under which it is among the blocks.
    pub named: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of the block itself.
    pub keys: fn(&mut SchemaGenerator) -> Schema,
}

/// Declares the words that a key takes, each with its meaning.
#[macro_export]
macro_rules! settings_words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$about:meta])* $word:ident,)* }) => {
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, ::serde::Deserialize, ::schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        #[schemars(inline)]
        $(#[$meta])*
        $vis enum $name { $($(#[$about])* $word,)* }
    };
}

/// Declares a block of `snapback.yaml`. With `optional` after its word the whole block may be left
/// out: it then has a `Default`, and does not compile with a key that is required.
///
/// ```
/// model::settings_block! {
///     /// How retries behave.
///     #[derive(Debug)]
///     pub struct RetrySettings as "retry", optional {
///         /// How often a command is tried again.
///         times: u32 = 3,
///         /// How long it waits in between, in seconds.
///         pause: Option<u32>,
///     }
/// }
/// let block: RetrySettings = serde_json::from_str("{}").expect("every key may be left out");
/// assert_eq!((block.times, RetrySettings::default().times), (3, 3));
/// assert_eq!((block.pause, RetrySettings::default().pause), (None, None));
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

        impl $crate::settings::Block for $name {
            const WORD: &'static str = $word;
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                #[serde(deny_unknown_fields, expecting = "a map of settings")]
                struct Written {
                    $($key: $crate::settings_block!(@written $kind $(, $usual)?),)*
                }
                let written = <Written as ::serde::Deserialize>::deserialize(deserializer)?;
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
    (@usual $kind:ty) => { <$kind as $crate::settings::LeftOut>::left_out() };
    (@usual $kind:ty, $usual:expr) => { $usual };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident as $word:tt, optional {
            $($(#[$about:meta])* $key:ident: $kind:ty $(= $usual:expr)?,)*
        }
    ) => {
        $crate::settings_block! {
            @block
            $(#[$meta])*
            $vis struct $name as $word { $($(#[$about])* $key: $kind $(= $usual)?,)* }
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self { $($key: $crate::settings_block!(@usual $kind $(, $usual)?),)* }
            }
        }
    };
    ($($tokens:tt)*) => { $crate::settings_block! { @block $($tokens)* } };
}
