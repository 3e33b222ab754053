#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/folder.h"
#include "base/result.h"
#include "remote/address.h"
#include "remote/http.h"

namespace requant {

// The files behind an address. A hub lists them; any other server is asked for each of
// `usual_names`, and for what is opened by name later.
Result<std::shared_ptr<const Folder>> http_folder(std::shared_ptr<const HttpClient> client,
                                                  Address address,
                                                  std::span<const std::string> usual_names);

}  // namespace requant
