#include "dialect/testing.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace requant::testing_support {
namespace {

Source source_of(const std::vector<FakeCheckpoint::Entry>& tensors, std::string container) {
  Source::Parts parts;
  parts.container = std::move(container);
  parts.files.emplace_back();
  for (const auto& [name, dtype, shape] : tensors) {
    TensorInfo info;
    info.name = name;
    info.dtype = dtype;
    info.shape = shape;
    info.bytes = byte_size(dtype, element_count(shape).value_or(0)).value_or(0);
    parts.tensors.push_back(std::move(info));
  }
  auto source = Source::make(std::move(parts));
  EXPECT_TRUE(source) << source.error().message();
  return *std::move(source);
}

Json json_of(std::string_view text) {
  auto json = parse_json(text);
  EXPECT_TRUE(json) << json.error().message();
  return *std::move(json);
}

}  // namespace

FakeCheckpoint::FakeCheckpoint(std::string_view config, const std::vector<Entry>& tensors,
                               std::string container)
    : config_(json_of(config)),
      source_(source_of(tensors, std::move(container))),
      architecture_(Architecture::of(config_)),
      facts_(std::make_unique<Facts>(config_, source_, architecture_, side_)) {}

bool has_rule(const std::vector<Finding>& findings, std::string_view rule) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& f) { return f.rule == rule; });
}

}  // namespace requant::testing_support
