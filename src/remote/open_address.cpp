#include "remote/open_address.h"

#include <utility>

#include "base/environment.h"
#include "remote/address.h"
#include "remote/http.h"
#include "remote/http_folder.h"

namespace requant {

Result<RemoteCheckpoint> open_address(std::string_view text,
                                      std::span<const std::string> usual_names,
                                      std::chrono::seconds patience) {
  Hub hub;
  if (std::string endpoint = environment("HF_ENDPOINT"); !endpoint.empty()) {
    hub.endpoint = std::move(endpoint);
  }
  hub.token = environment("HF_TOKEN");
  RQ_TRY(Address address, parse_address(text, hub));
  const std::string label = address.label;
  RQ_TRY_IN(auto client,
            HttpClient::make(std::move(hub),
                             {.patience = patience, .certificates = environment("SSL_CERT_FILE")}),
            label);
  RemoteCheckpoint remote;
  remote.file = address.file;
  RQ_TRY(remote.folder, http_folder(std::move(client), std::move(address), usual_names));
  return remote;
}

}  // namespace requant
