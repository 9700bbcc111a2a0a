//! The program from outside: the real binary, real Git repositories, the real AWS SDK.

#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod apply;
mod approvals;
mod architecture;
mod bulk;
mod causes;
mod checkouts;
mod clones;
mod comments;
mod conformance;
mod conventions;
mod credentials;
mod excluded;
mod existing_roles;
mod faults;
mod flags;
mod flaws;
mod git_config;
mod help;
mod hints;
mod host_keys;
mod limits;
mod inventory;
mod links;
mod locks;
mod long_names;
mod manifests;
mod meant;
mod manual;
mod matching;
mod merges;
mod migration;
mod mismatches;
mod moved;
mod names;
mod on_call;
mod opened;
mod order;
mod packs;
mod permissions;
mod placeholders;
mod principals;
mod process;
mod providers;
mod races;
mod reach;
mod readme;
mod recipes;
mod record;
mod record_faults;
mod redaction;
mod rendered;
mod replies;
mod reports;
mod repositories;
mod retire;
mod reviews;
mod roots;
mod rows;
mod safety;
mod sandboxes;
mod schedules;
mod selection;
mod settings;
mod sources;
mod superseded;
mod tags;
mod trailers;
mod typos;
mod unrendered;
mod witness;

#[path = "../support"]
mod support {
    pub mod access;
    pub mod aws_proxy;
    pub mod cli;
    pub mod cloud;
    pub mod fates;
    pub mod git_host;
    pub mod iam_server;
    pub mod memory;
    pub mod repository;
    pub mod scenes;
    pub mod world;
}
