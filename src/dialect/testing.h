#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/dialect.h"

namespace requant::testing_support {

// A checkpoint of headers alone: what dialects look at, without files.
class FakeCheckpoint {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
  };
  FakeCheckpoint(std::string_view config, const std::vector<Entry>& tensors,
                 std::string container = "safetensors");
  FakeCheckpoint(const FakeCheckpoint&) = delete;
  FakeCheckpoint& operator=(const FakeCheckpoint&) = delete;

  const Facts& facts() const { return *facts_; }

 private:
  Json config_;
  Source source_;
  Architecture architecture_;
  std::map<std::string, Json> side_;
  std::unique_ptr<Facts> facts_;
};

// True when any finding has that rule.
bool has_rule(const std::vector<Finding>& findings, std::string_view rule);

}  // namespace requant::testing_support
