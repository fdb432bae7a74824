#ifndef CSIMDJSON_TREE_H
#define CSIMDJSON_TREE_H

// Reads an object member by member, each with all values within it, for objects whose keys are not known beforehand.

#include "csimdjson.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A value within a member.
typedef struct csimdjson_node {
    /// The name of a member of an object; empty for an element of an array.
    csimdjson_key key;
    csimdjson_value value;
    /// The line where the value begins; from 1.
    size_t line;
    /// How many of the nodes behind it are within it.
    size_t count;
} csimdjson_node;

/// One document and its text. For one thread at a time.
typedef struct csimdjson_tree csimdjson_tree;

/// Copies a text, which the caller pads with nothing. The caller destroys the tree.
csimdjson_tree *csimdjson_tree_create(const uint8_t *bytes, size_t length);
void csimdjson_tree_destroy(csimdjson_tree *tree);

/// Checks the whole text: JSON (RFC 8259) to its last byte, valid UTF-8 without lone surrogates, nested at most
/// CSIMDJSON_DEPTH_LIMIT levels.
///
/// - is_object: whether the document is an object. If not, nothing more can be read.
csimdjson_status csimdjson_tree_open(csimdjson_tree *tree, bool *is_object);

/// Reads the next member of the object.
///
/// - nodes: the member, and all values within it, each before those within it. The tree's, valid until its next call.
csimdjson_status csimdjson_tree_next(csimdjson_tree *tree, const csimdjson_node **nodes, size_t *count);

/// The line of the last token that was understood; from 1.
size_t csimdjson_tree_line(csimdjson_tree *tree);

#ifdef __cplusplus
}
#endif

#endif
