//! Ladders of stories: whoever stands anywhere climbs them.
