//! Whether a reply is one of IAM's, and whole.
//!
//! The SDK reads what it finds: a document that was cut short is a shorter list to it, and where it
//! expects nothing, a proxy's page is as good as an answer. A listing that lacks roles would have
//! them made again, and a write that never arrived would count as done.

use aws_sdk_iam::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;

use super::call::Host;
use crate::model::redact;

/// Turns successful replies that are not IAM's, or not whole, into errors.
#[derive(Debug)]
pub(super) struct Whole(
    /// Takes down where requests are sent to, for messages.
    pub(super) Host,
);

impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = redact::address(context.request().uri());
        self.0.get_or_init(|| match url.strip_prefix("https://") {
            Some(place) => place.split('/').next().unwrap_or_default().to_owned(),
            None => url.trim_end_matches('/').to_owned(),
        });
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reply = context.response();
        let body = reply.body().bytes().unwrap_or_default();
        if !reply.status().is_success() || is_whole(&String::from_utf8_lossy(body)) {
            return Ok(());
        }
        Err("the reply is not a whole document of IAM's".into())
    }
}

/// Whether a document ends with the element it starts with, as `ListRolesResponse`, and a list in
/// it says whether it goes on.
fn is_whole(document: &str) -> bool {
    let text = document.trim_end();
    let root = text
        .strip_suffix("Response>")
        .and_then(|text| text.rsplit_once("</"))
        .map(|(_, action)| action);
    let Some(action) = root else {
        return false;
    };
    let is_list = ["ListRoles", "GetAccountAuthorizationDetails"].contains(&action);
    text.contains(&format!("<{action}Response")) && (!is_list || text.contains("</IsTruncated>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a31_only_a_whole_document_counts() {
        let list = "<?xml version=\"1.0\"?>\n<ListRolesResponse xmlns=\"x\"><ListRolesResult><Roles/>\
            <IsTruncated>false</IsTruncated></ListRolesResult></ListRolesResponse>\n";
        assert!(is_whole(list));
        assert!(is_whole(
            "<TagRoleResponse><ResponseMetadata/></TagRoleResponse>"
        ));
        assert!(!is_whole(
            &list.replace("<IsTruncated>false</IsTruncated>", "")
        ));
        for length in 0..list.trim_end().len() {
            assert!(!is_whole(&list[..length]), "{}", &list[..length]);
        }
        for other in [
            "",
            "ok",
            "<html><body>Response</body></html>",
            "</TagRoleResponse>",
        ] {
            assert!(!is_whole(other), "{other}");
        }
    }
}
