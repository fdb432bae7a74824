/// The shipped file about providers: their spellings, and names that are not those of providers.
package struct ShippedProviders: Sendable {
    package let spellings: ProviderSpellings
    package let roles: ProviderRoles

    /// Read once: the file is part of the program.
    package static let read: Result<ShippedProviders, PriceFault> = {
        do throws(PriceFault) {
            return .success(try ShippedProviders())
        } catch {
            return .failure(error)
        }
    }()

    private init() throws(PriceFault) {
        var aliases: [(spelling: String, canonical: String)] = []
        var lists: [String: Set<String>] = [:]
        try ShippedFile.providers.withText { text throws(PriceFault) in
            try PriceFileMembers.forEach(in: text) { part, value throws(PriceFileValue.Fault) in
                if part == "spellings" {
                    for (canonical, names) in try value.members() {
                        for name in try names.elements() { aliases.append((try name.text(), canonical)) }
                    }
                } else {
                    for name in try value.elements() { lists[part, default: []].insert(try name.text()) }
                }
            }
        }
        spellings = try ProviderSpellings().adding(aliases)
        roles = ProviderRoles(
            frameworks: lists["frameworks", default: []], servers: lists["servers", default: []],
            hosts: lists["hosts", default: []])
    }
}
