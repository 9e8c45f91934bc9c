// Made by `cargo xtask proto` from the .proto files; not to be edited.
use hedgerow_model::Role;

/// Which role each method takes.
pub const METHODS: &[(&str, Role)] = &[
    ("/hedgerow.lookup.v1.Lookup/Register", Role::Service),
    ("/hedgerow.lookup.v1.Lookup/Renew", Role::Service),
    ("/hedgerow.lookup.v1.Lookup/Cancel", Role::Service),
    ("/hedgerow.lookup.v1.Lookup/Find", Role::Viewer),
    ("/hedgerow.lookup.v1.Lookup/Watch", Role::Viewer),
    ("/hedgerow.lookup.v1.Lookup/Facets", Role::Viewer),
    ("/hedgerow.lookup.v1.Lookup/Status", Role::Viewer),
    ("/hedgerow.lookup.v1.Documents/Publish", Role::Author),
    ("/hedgerow.lookup.v1.Documents/Offer", Role::Service),
    ("/hedgerow.lookup.v1.Documents/PublishBytes", Role::Author),
    ("/hedgerow.lookup.v1.Documents/OfferBytes", Role::Service),
    ("/hedgerow.lookup.v1.Documents/WatchDocuments", Role::Viewer),
    ("/hedgerow.lookup.v1.Documents/ReadBytes", Role::Viewer),
    ("/hedgerow.filter.v1.Alarms/ListAlarms", Role::Viewer),
    ("/hedgerow.filter.v1.Alarms/ExplainAlarm", Role::Viewer),
    ("/hedgerow.filter.v1.Alarms/AcknowledgeAlarm", Role::Operator),
    ("/hedgerow.filter.v1.Alarms/CloseAlarm", Role::Operator),
    ("/hedgerow.filter.v1.Alarms/SilenceAlarms", Role::Operator),
    ("/hedgerow.farm.v1.Farm/Status", Role::Viewer),
    ("/hedgerow.farm.v1.Farm/ListSeries", Role::Viewer),
    ("/hedgerow.farm.v1.Farm/Subscribe", Role::Viewer),
    ("/hedgerow.farm.v1.Farm/Query", Role::Viewer),
    ("/hedgerow.filter.v1.Filters/ListDeployments", Role::Viewer),
    ("/hedgerow.filter.v1.Filters/ReadLogs", Role::Viewer),
    ("/hedgerow.filter.v1.Filters/RetryDeployment", Role::Operator),
    ("/hedgerow.filter.v1.Filters/Run", Role::Author),
];
