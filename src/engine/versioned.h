#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/version.h"

namespace requant {

// JSON that holds the facts of all versions of an engine (data/engines/README.md, "Versions"), seen
// as of one of them.

// True where `node` says neither "since", "until" nor "in", or these cover the version.
bool covers(const Json& node, const VersionNumber& version);

// `node` without what other versions have; the marks are taken off.
Json as_of(const Json& node, const VersionNumber& version);

// The place in the sources, which moves from version to version: "a.py:12, b.py:7".
std::string source_as_of(const Json* node, const VersionNumber& version);

}  // namespace requant
