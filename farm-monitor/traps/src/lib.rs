//! The door for SNMP traps and informs.
