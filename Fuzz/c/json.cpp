// Fuzzes the reader of records (Sources/CSimdjson/parser.cpp) against simdjson's own DOM.
//
// The length of a text chooses the padding behind it.

#include "json.hpp"
#include "csimdjson.h"
#include "fuzz.h"

#include <string>
#include <string_view>
#include <vector>

namespace {

const char *const recordKeys = "agent_name\nprovider\nmodel\nid\ninput_tokens\nstatus\ncost_usd\n";
const std::vector<std::string_view> recordNames = {
    "agent_name", "provider", "model", "id", "input_tokens", "status", "cost_usd"};
const char *const itemKeys =
    "status\nmodel\nerror_information.error_class\nmetadata.usage_object.prompt_tokens_details.cached_tokens\n"
    "metadata.usage_object.cache_read_input_tokens\nmetadata.requester_metadata.agent_name\nrequest_tags\n";
const std::vector<std::string_view> itemPaths = {
    "status",
    "model",
    "error_information.error_class",
    "metadata.usage_object.prompt_tokens_details.cached_tokens",
    "metadata.usage_object.cache_read_input_tokens",
    "metadata.requester_metadata.agent_name",
    "request_tags"};

/// Reads each byte of a value, and checks that its text is one.
void look(const csimdjson_value &value)
{
    if (value.type == csimdjson_type_string || value.type == csimdjson_type_number
        || value.type == csimdjson_type_boolean)
        HOLDS(csimdjson_is_utf8(value.start, value.length), "a value that is not UTF-8");
    if (value.type == csimdjson_type_number) csimdjson_double(value.start, value.length);
    if (value.type == csimdjson_type_null) HOLDS(value.start == nullptr && value.length == 0, "null with a text");
}

/// Describes all that a document gives out.
class Description {
public:
    std::string text;

    void add(const csimdjson_value &value)
    {
        look(value);
        text += std::to_string(value.type) + (value.is_repeated ? "r" : "") + ":";
        text.append(reinterpret_cast<const char *>(value.start), value.length);
        text += ";";
    }

    void add(const csimdjson_object &object, size_t count)
    {
        for (size_t index = 0; index < count; index++) add(object.values[index]);
        for (size_t index = 0; index < object.unknown_count; index++) {
            const csimdjson_key &key = object.unknown_keys[index];
            text.append(reinterpret_cast<const char *>(key.start), key.length) += ",";
        }
        text += "\n";
    }
};

/// Compares the first value of each name with the DOM's.
void compare(
    const csimdjson_object &object, const std::vector<std::string_view> &names, const simdjson::dom::object &second)
{
    size_t unknown = 0;
    for (const auto &[key, value] : second) {
        bool isKnown = false;
        for (std::string_view name : names) isKnown = isKnown || name == key;
        unknown += isKnown ? 0 : 1;
    }
    HOLDS(unknown == object.unknown_count, "%zu unknown keys, not %zu", object.unknown_count, unknown);
    for (size_t place = 0; place < names.size(); place++) {
        size_t count = 0;
        for (const auto &[key, value] : second) {
            if (key == names[place] && count++ == 0)
                HOLDS(json::agree(object.values[place], value), "the value of %s", std::string(key).c_str());
        }
        HOLDS((count == 0) == (object.values[place].type == csimdjson_type_absent), "presence of a key");
        HOLDS((count > 1) == object.values[place].is_repeated, "repetition of a key");
    }
}

/// Compares the values at paths that occur once with the DOM's.
void comparePaths(
    const csimdjson_object &object, const std::vector<std::string_view> &paths, const simdjson::dom::object &second)
{
    for (size_t place = 0; place < paths.size(); place++) {
        simdjson::dom::element value;
        if (object.values[place].is_repeated || !json::findOnce(second, paths[place], value)) continue;
        HOLDS(json::agree(object.values[place], value), "the value of %s", std::string(paths[place]).c_str());
    }
}

csimdjson_status run(
    csimdjson_parser *parser, const std::vector<std::string_view> &names, bool arePaths, const uint8_t *bytes,
    size_t length, const simdjson::dom::element *second, std::string &result)
{
    Description description;
    csimdjson_type type = csimdjson_type_absent;
    csimdjson_status status = csimdjson_open(parser, bytes, length, &type);
    if (status != csimdjson_status_found) return status;
    description.text = std::to_string(type) + "\n";
    const auto check = [&](const csimdjson_object &object, const simdjson::dom::element *element) {
        description.add(object, names.size());
        if (element == nullptr) return;
        simdjson::dom::object other;
        HOLDS(!element->get_object().get(other), "an object");
        if (arePaths) comparePaths(object, names, other);
        else compare(object, names, other);
    };
    csimdjson_object object;
    if (type == csimdjson_type_object) {
        status = csimdjson_read_object(parser, &object);
        if (status == csimdjson_status_found) check(object, second);
    } else if (type == csimdjson_type_array) {
        simdjson::dom::array elements;
        simdjson::dom::array::iterator next, end;
        if (second != nullptr) {
            HOLDS(!second->get_array().get(elements), "an array");
            next = elements.begin();
            end = elements.end();
        }
        for (;;) {
            csimdjson_value value;
            status = csimdjson_next_element(parser, &value, &object);
            if (status == csimdjson_status_end) {
                if (second != nullptr) HOLDS(!(next != end), "the array ends before its end");
                status = csimdjson_status_found;
                break;
            }
            if (status != csimdjson_status_found) break;
            simdjson::dom::element element;
            if (second != nullptr) {
                HOLDS(next != end, "elements beyond the end");
                element = *next;
                ++next;
                HOLDS(json::agree(value, element), "an element");
            }
            if (value.type == csimdjson_type_object) check(object, second ? &element : nullptr);
            else description.add(value);
        }
    }
    HOLDS(csimdjson_offset(parser) <= length, "the offset %zu of %zu", csimdjson_offset(parser), length);
    result = status == csimdjson_status_found ? description.text : "";
    return status;
}

struct Parsers {
    csimdjson_parser *records = csimdjson_parser_create(recordKeys);
    csimdjson_parser *items = csimdjson_skipping_parser_create(itemKeys);
    csimdjson_parser *none = csimdjson_skipping_parser_create("");
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static Parsers parsers;
    const char paddings[] = "[{\"]},:1\\\n";
    const uint8_t padding = uint8_t(paddings[length % (sizeof paddings - 1)]);
    const json::Padded text(bytes, length, padding), plain(bytes, length, 0);

    simdjson::dom::element element;
    static simdjson::dom::parser dom;
    const simdjson::error_code error = json::parse(dom, bytes, length).get(element);
    const simdjson::dom::element *second = error ? nullptr : &element;

    std::string description, other;
    const csimdjson_status status = run(parsers.records, recordNames, false, text.bytes(), length, second, description);
    // The same text before another padding, and with the parser's buffers as the last text left them.
    const csimdjson_status again = run(parsers.records, recordNames, false, plain.bytes(), length, second, other);
    // A text that is refused may be so for another reason: one of simdjson's looks at the byte behind the text.
    const bool isTaken = status == csimdjson_status_found;
    HOLDS(isTaken == (again == csimdjson_status_found), "before zeros: %d, not %d", again, status);
    HOLDS(description == other, "before zeros: %s, not %s", other.c_str(), description.c_str());
    if (isTaken) {
        // Wider than the DOM: any depth, numbers of any size, lone surrogates in unread values.
        HOLDS(
            !error || error == simdjson::NUMBER_ERROR || error == simdjson::DEPTH_ERROR
                || error == simdjson::STRING_ERROR,
            "taken, but the DOM says: %s", simdjson::error_message(error));
    } else {
        HOLDS(error, "refused with %d, but the DOM takes it", status);
    }

    // A parser that skips takes at least all JSON.
    for (csimdjson_parser *parser : {parsers.items, parsers.none}) {
        const bool hasPaths = parser == parsers.items;
        const std::vector<std::string_view> &paths = hasPaths ? itemPaths : std::vector<std::string_view>();
        const csimdjson_status skipped = run(parser, paths, true, text.bytes(), length, second, description);
        const csimdjson_status plainly = run(parser, paths, true, plain.bytes(), length, second, other);
        // simdjson looks for brackets that do not match only if the byte behind the text is one.
        const bool areTaken = skipped == csimdjson_status_found && plainly == csimdjson_status_found;
        HOLDS(!areTaken || description == other, "before zeros: %s, not %s", other.c_str(), description.c_str());
        HOLDS(error || areTaken, "skipping, refused with %d and %d", skipped, plainly);
    }
    return 0;
}
