internal import Model

/// A database that is open for writing, and the statements of its transactions.
struct Session {
    let database: OpenDatabase
    let head: TableWriter<Head>
    let agents: TableWriter<AgentSeries>
    let calls: TableWriter<CallSeries>
    let endpoints: TableWriter<EndpointSeries>
    let offerings: TableWriter<OfferingSeries>
    let openCalls: TableWriter<OpenCall>
    let budgets: TableWriter<BudgetAccount>
    let ids: IDTable

    init(_ database: OpenDatabase) throws(StoreError) {
        self.database = database
        head = try TableWriter(database.connection)
        agents = try TableWriter(database.connection)
        calls = try TableWriter(database.connection)
        endpoints = try TableWriter(database.connection)
        offerings = try TableWriter(database.connection)
        openCalls = try TableWriter(database.connection)
        budgets = try TableWriter(database.connection)
        ids = try IDTable(database.connection)
    }
}
