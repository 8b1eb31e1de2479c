//! Any trie fetched from any other, in any order.
