//! What stands in for everything that asks registries, in a build without them: it says how to get
//! one with them.

/// Every verb that is nothing without registries.
pub(crate) mod transfer {
    use clap::Args;

    /// Needs registries (not in this build)
    #[derive(Args)]
    pub(crate) struct Arguments {
        /// What another build would understand
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        _arguments: Vec<String>,
    }

    pub(crate) fn run(_: &Arguments) -> Result<(), String> {
        Err(super::NOT_BUILT_IN.to_owned())
    }
}

pub(crate) mod registry {
    use container_security_host::HostCapabilities;
    use serde_json::Value;

    /// There is none.
    #[derive(Clone)]
    pub(crate) enum InsecureRegistry {}

    /// There is none.
    pub(crate) enum Registry {}

    impl Registry {
        pub(crate) fn take_advice(&self) -> Vec<String> {
            match *self {}
        }
    }

    impl HostCapabilities for Registry {
        fn call(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, String> {
            match *self {}
        }
    }

    pub(crate) fn registry(
        _: &[InsecureRegistry],
        _: Option<(&str, Vec<u8>)>,
    ) -> Result<Registry, String> {
        Err(super::NOT_BUILT_IN.to_owned())
    }

    pub(crate) fn on_this_machine(_: &str) -> Result<InsecureRegistry, String> {
        Err(super::NOT_BUILT_IN.to_owned())
    }

    /// None: the curve of a key matters to those who verify with it.
    pub(crate) fn warnings_of_keys(_: &Value) -> Vec<String> {
        Vec::new()
    }
}

const NOT_BUILT_IN: &str = "this build of container-security cannot ask registries; the one that \
    `cargo install --locked --path cli` installs can";

#[cfg(test)]
mod tests {
    use crate::judge::evaluate;
    use crate::{Arguments, Verb};
    use clap::Parser as _;

    const HOW_TO_GET_IT: &str = "this build of container-security cannot ask registries; the one \
        that `cargo install --locked --path cli` installs can";

    fn parse(arguments: &str) -> Result<Verb, clap::Error> {
        let words = arguments.split(' ');
        Arguments::try_parse_from(["container-security"].into_iter().chain(words))
            .map(|arguments| arguments.verb)
    }

    #[test]
    fn evaluate_says_how_to_get_a_build_that_asks_registries() {
        let Verb::Evaluate(arguments) = parse("evaluate -r - --registry").unwrap() else {
            panic!("another verb");
        };
        let error = evaluate::run(&arguments).unwrap_err();
        assert_eq!(error, HOW_TO_GET_IT);
        let error = parse("evaluate -r - --registry --insecure-registry localhost:5000");
        let error = error.err().unwrap().to_string();
        assert!(error.contains(HOW_TO_GET_IT), "{error}");
    }

    #[test]
    fn what_moves_a_policy_and_pin_say_so_whatever_they_are_given() {
        for arguments in [
            "pull r.example/p:v1 --output-path p.wasm",
            "pull",
            "push --insecure p.wasm r.example/p:v1",
            "pin deploy.yaml --registry",
        ] {
            let (Verb::Pull(arguments) | Verb::Push(arguments) | Verb::Pin(arguments)) =
                parse(arguments).unwrap()
            else {
                panic!("another verb");
            };
            assert_eq!(super::transfer::run(&arguments).unwrap_err(), HOW_TO_GET_IT);
        }
    }
}
