//! Run folder to PNG, GIF, SVG and HTML; one section per file.
