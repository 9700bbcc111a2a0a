//! What is written about the command line: how the help of a command ends, the manual page, the
//! completions, the reference, and what an unknown argument may be meant as.
//!
//! Clap's definitions in, text out; what the arguments are is the business of `cli`.

pub(crate) mod advice;
mod hidden;
pub(crate) mod page;
#[cfg(test)]
pub(crate) mod reference;
mod tail;

pub(crate) use hidden::without_effect;
pub(crate) use tail::tail;

/// The completion script of a shell.
pub(crate) fn completions(mut program: clap::Command, shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "irsa-gitops", &mut script);
    if shell != clap_complete::Shell::Bash {
        return script;
    }
    // clap_complete takes the hyphen in the program's name for the start of a subcommand, in the
    // labels of the cases but not in the variable that is compared with them.
    String::from_utf8_lossy(&script)
        .replace("irsa__subcmd__gitops", "irsa__gitops")
        .into_bytes()
}
