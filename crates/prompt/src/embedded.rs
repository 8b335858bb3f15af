//! The prompts of a method, in the program: read from their files when it is built, and parsed once.

use crate::Prompt;

/// Defines `Prompts`: the prompts of a method, from `prompts/FOLDER/NAME.md` at the root of the repository.
///
/// ```ignore
/// trimtab_prompt::prompts! { "debate":
///     /// Asks for an opening.
///     opening = "opening.v1";
/// }
/// let text = trimtab_prompt::rendered(&Prompts::embedded().opening, &[]);
/// ```
#[macro_export]
macro_rules! prompts {
    ($folder:literal: $($(#[$doc:meta])* $field:ident = $file:literal;)*) => {
        #[doc = concat!("Every prompt of `prompts/", $folder, "/`.")]
        #[derive(Debug, Clone)]
        pub struct Prompts {
            $($(#[$doc])* pub $field: $crate::Prompt,)*
        }

        impl Prompts {
            #[doc = concat!("Those of `prompts/", $folder, "/`.")]
            pub fn embedded() -> &'static Self {
                static PROMPTS: std::sync::LazyLock<Prompts> = std::sync::LazyLock::new(|| Prompts {
                    $($field: $crate::Prompt::parse(
                        concat!($folder, "/", $file),
                        include_str!(concat!(
                            env!("CARGO_MANIFEST_DIR"), "/../../prompts/", $folder, "/", $file, ".md"
                        )),
                    ).expect("a test renders it"),)*
                });
                &PROMPTS
            }

            /// All of them.
            pub fn all(&self) -> Vec<&$crate::Prompt> {
                vec![$(&self.$field),*]
            }

            /// SHA-256 of each one's file, by its name: for the manifest.
            pub fn sha256_by_name(&self) -> std::collections::BTreeMap<String, String> {
                (self.all().into_iter())
                    .map(|prompt| (prompt.name().to_owned(), prompt.sha256().to_owned()))
                    .collect()
            }
        }
    };
}

/// An embedded prompt with `values`.
///
/// # Panics
///
/// When these are not the prompt's variables: a bug, which a test of every embedded prompt finds.
pub fn rendered(prompt: &Prompt, values: &[(&str, &str)]) -> String {
    (prompt.render(values)).expect("the values are the prompt's variables: tests render every one")
}
