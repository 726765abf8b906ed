// Being written by another developer since 05:10 (do not write this plugin here): SDK author, go on
// with ga4, then the golden cases of webhook and ga4.
