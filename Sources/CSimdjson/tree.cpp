// Reads objects member by member. See csimdjson_tree.h.

#include "csimdjson_tree.h"
#include "document.hpp"

#include <vector>

namespace ondemand = simdjson::ondemand;

using csimdjson::status;

struct csimdjson_tree : csimdjson::Document {
    // simdjson takes the byte behind the last token for one more. In the copy that byte is 0, which begins or ends no
    // value, so that reading stops there.
    csimdjson_tree(const uint8_t *bytes, size_t length)
        : copy(length + CSIMDJSON_PADDING), length(length), counted(copy.data())
    {
        if (length > 0) std::memcpy(copy.data(), bytes, length);
    }

    csimdjson_status open(bool &isObject)
    {
        TRY(begin(copy.data(), length));
        ondemand::json_type found;
        if (auto error = document.type().get(found)) return status(error);
        isObject = found == ondemand::json_type::object;
        if (found != ondemand::json_type::object && found != ondemand::json_type::array) return csimdjson_status_found;
        // All of it is checked first, so that nothing is given out of a text that is not JSON.
        ondemand::value value;
        if (auto error = document.get_value().get(value)) return status(error);
        TRY(skip(value));
        TRY(finishSkipped());
        if (!isObject) return csimdjson_status_found;
        rewind();
        if (auto error = document.get_object().get(object)) return status(error);
        return csimdjson_status_found;
    }

    csimdjson_status next(const csimdjson_node *&result, size_t &count)
    {
        if (isAtFirstMember) {
            isAtFirstMember = false;
            if (auto error = object.begin().get(member)) return status(error);
        } else {
            ++member;
        }
        if (!(member != member)) return csimdjson_status_end;
        nodes.clear();
        TRY(collect(*member, 2));
        result = nodes.data();
        count = nodes.size();
        return csimdjson_status_found;
    }

    /// The line of the last token looked at.
    size_t line()
    {
        // Tokens come in their order, so each byte is counted once.
        for (; counted < here; counted++) lines += *counted == '\n';
        return lines;
    }

private:
    std::vector<uint8_t> copy;
    const size_t length;
    ondemand::object object;
    ondemand::object_iterator member;
    bool isAtFirstMember = true;
    std::vector<csimdjson_node> nodes;
    const uint8_t *counted;
    size_t lines = 1;

    /// Reads a member of an object, and keeps it and all values within it.
    csimdjson_status collect(simdjson::simdjson_result<ondemand::field> each, int depth)
    {
        ondemand::field field;
        if (auto error = std::move(each).get(field)) return status(error);
        csimdjson_key name;
        const csimdjson_status named = text(field.key(), name);
        if (named == csimdjson_status_surrogate) return csimdjson_status_escape;
        TRY(named);
        return collect(field.value(), depth, name);
    }

    /// Reads a value to its end, and keeps it and all values within it.
    csimdjson_status collect(ondemand::value &value, int depth, csimdjson_key key)
    {
        const size_t place = nodes.size();
        const uint8_t *token = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
        ondemand::json_type found;
        if (auto error = value.type().get(found)) return status(error);
        here = token;
        nodes.push_back({key, {nullptr, 0, csimdjson_type_absent, false}, line(), 0});
        if (found == ondemand::json_type::object) {
            nodes[place].value.type = csimdjson_type_object;
            if (depth > CSIMDJSON_DEPTH_LIMIT) return csimdjson_status_depth;
            ondemand::object members;
            if (auto error = value.get_object().get(members)) return status(error);
            for (auto each : members) TRY(collect(std::move(each), depth + 1));
        } else if (found == ondemand::json_type::array) {
            nodes[place].value.type = csimdjson_type_array;
            if (depth > CSIMDJSON_DEPTH_LIMIT) return csimdjson_status_depth;
            ondemand::array elements;
            if (auto error = value.get_array().get(elements)) return status(error);
            for (auto each : elements) {
                ondemand::value inner;
                if (auto error = std::move(each).get(inner)) return status(error);
                TRY(collect(inner, depth + 1, {nullptr, 0}));
            }
        } else {
            csimdjson_value scalar;
            TRY(read(value, scalar));
            if (scalar.type == csimdjson_type_lone_surrogate) return csimdjson_status_escape;
            nodes[place].value = scalar;
        }
        nodes[place].count = nodes.size() - place - 1;
        return csimdjson_status_found;
    }
};

extern "C" {

csimdjson_tree *csimdjson_tree_create(const uint8_t *bytes, size_t length)
{
    return new csimdjson_tree(bytes, length);
}

void csimdjson_tree_destroy(csimdjson_tree *tree)
{
    delete tree;
}

csimdjson_status csimdjson_tree_open(csimdjson_tree *tree, bool *is_object)
{
    return tree->open(*is_object);
}

csimdjson_status csimdjson_tree_next(csimdjson_tree *tree, const csimdjson_node **nodes, size_t *count)
{
    return tree->next(*nodes, *count);
}

size_t csimdjson_tree_line(csimdjson_tree *tree)
{
    return tree->line();
}

}  // extern "C"
