private import FoundationEssentials
private import Model

/// The prices of one file in the shape of LiteLLM's model price table (contract section 6).
package struct PriceFile: Sendable {
    /// By key: `model` or `provider/model`. `nil` where the entry says nothing of the price of tokens.
    let prices: [String: Price?]

    /// - Parameter text: JSON (RFC 8259).
    /// - Throws: where it is no JSON object of objects, or a price is none; names the line or the key.
    package init(_ text: [UInt8], spellings: ProviderSpellings) throws(PriceFault) {
        try JSONCheck.check(text)
        do {
            let content = try JSONDecoder().decode(Content.self, from: Data(text), configuration: spellings)
            prices = content.prices
        } catch let error as DecodingError {
            throw PriceFault(error)
        } catch {
            throw PriceFault("cannot be read: \(error)")
        }
    }

    private struct Content: DecodableWithConfiguration {
        var prices: [String: Price?] = [:]

        init(from decoder: any Decoder, configuration spellings: ProviderSpellings) throws {
            let table = try decoder.container(keyedBy: Key.self)
            // `sample_spec` explains the fields to people; its values are words.
            for key in table.allKeys where key.stringValue != "sample_spec" {
                let entry = try table.nestedContainer(keyedBy: Key.self, forKey: key)
                let providerKey = Key(stringValue: PriceField.providerName)
                guard let provider = try entry.decodeIfPresent(String.self, forKey: providerKey) else { continue }
                prices[key.stringValue] = .some(try Self.price(entry, provider: provider, spellings: spellings))
            }
        }

        private static func price(
            _ entry: KeyedDecodingContainer<Key>, provider: String, spellings: ProviderSpellings
        ) throws -> Price? {
            var price = PriceEntry()
            for key in entry.allKeys {
                if key.stringValue == PriceField.rangesName {
                    guard try !entry.decodeNil(forKey: key) else { continue }
                    for range in try entry.decode([Range].self, forKey: key).compactMap(\.range) { price.append(range) }
                } else if let field = PriceField(name: key.stringValue), let rate = try entry.rate(key) {
                    price.set(field, to: rate)
                }
            }
            do throws(PriceFault) {
                return try price.price(provider: provider, spellings: spellings)
            } catch {
                throw entry.fault(error.description)
            }
        }
    }

    private struct Range: Decodable {
        /// `nil` where it gives no price for input tokens: ranges of search results, which cost by the query.
        let range: PriceEntry.Range?

        init(from decoder: any Decoder) throws {
            let entry = try decoder.container(keyedBy: Key.self)
            let rangeKey = Key(stringValue: PriceField.rangeName)
            guard entry.contains(Key(stringValue: PriceKind.input.fieldName)) else {
                range = nil
                return
            }
            // Whole numbers, which some tables write as 32e3.
            let bounds = try entry.decode([Double].self, forKey: rangeKey)
            var rates = Rates()
            for key in entry.allKeys {
                guard let field = PriceField(name: key.stringValue), field.threshold == nil else { continue }
                rates[field.kind] = try entry.rate(key)
            }
            guard bounds.count == 2, let start = Int64(exactly: bounds[0]), let end = Int64(exactly: bounds[1]),
                let range = PriceEntry.Range(start: start, end: end, rates: rates)
            else { throw entry.fault("\(rangeKey.stringValue) must be two whole numbers of tokens, as in [0, 32000]") }
            self.range = range
        }
    }

    fileprivate struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension KeyedDecodingContainer<PriceFile.Key> {
    /// The rate of a field, exact; `nil` where it is null.
    fileprivate func rate(_ key: Key) throws -> Rate? {
        // Through Decimal: 1e-7 has no Double.
        guard let decimal = try decodeIfPresent(Decimal.self, forKey: key) else { return nil }
        guard let rate = DecimalNumber(decimal.description.utf8).flatMap(Rate.init) else {
            throw fault("\(key.stringValue) \(PriceFault.rateForm)")
        }
        return rate
    }

    fileprivate func fault(_ text: String) -> DecodingError {
        .dataCorrupted(DecodingError.Context(codingPath: codingPath, debugDescription: text))
    }
}

extension PriceFault {
    fileprivate init(_ error: DecodingError) {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context):
            let field = context.codingPath.last?.stringValue ?? ""
            let form =
                PriceField(name: field) == nil ? "is not of the form that LiteLLM's table has" : PriceFault.rateForm
            self.init(Self.place(context) + (context.codingPath.count > 1 ? "\(field) \(form)" : form))
        case .dataCorrupted(let context): self.init(Self.place(context) + context.debugDescription)
        @unknown default: self.init("\(error)")
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        context.codingPath.first.map { "\"\($0.stringValue)\": " } ?? ""
    }
}
