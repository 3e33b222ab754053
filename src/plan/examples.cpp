#include "plan/examples.h"

#include <algorithm>

namespace requant {
namespace {

// "model.layers.17.mlp.up_proj" -> "model.layers.0.mlp.up_proj".
std::string without_numbers(std::string_view module) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string out;
  bool in_number = false;
  for (const char c : module) {
    if (!is_digit(c) || !in_number) out += is_digit(c) ? '0' : c;
    in_number = is_digit(c);
  }
  return out;
}

}  // namespace

bool Examples::is_new(const Weight& weight) {
  std::vector<Form>& forms = forms_[without_numbers(weight.module)];
  Form form{weight.codec, weight.scheme, weight.rows, weight.cols};
  if (std::ranges::find(forms, form) != forms.end()) return false;
  forms.push_back(std::move(form));
  return true;
}

}  // namespace requant
