//! Monitoring of capability use: control protocols and traces of tool calls.
