//! Other people's image collections as a stream of items.
