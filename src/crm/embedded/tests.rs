//! The embedded CRM in a store of its own: lookups, leads, owners, activities, edits.
