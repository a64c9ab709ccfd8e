using Deployed;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Integration.Tests;

/// <summary>One alliance for all: the tests of this project run one after the other, because they stop servers that all share.</summary>
[CollectionDefinition("alliance")]
public sealed class AllianceCollection : ICollectionFixture<AllianceFixture>;

/// <summary>The alliance of this test run.</summary>
public sealed class AllianceFixture : Alliance, IAsyncLifetime
{
    Task IAsyncLifetime.InitializeAsync() => Open();

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();
}
