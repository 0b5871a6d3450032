"""The labels that every server has: those of OpenGPTs, and the local model. Data, and nothing else.

The labels stay, because assistants name them; the models behind them retire. So each label stands for its vendor's
equivalent of today. Facts as of 2026-11-23. "Vendor" marks what the vendor's own page says; "reported" what others say,
of several at least, that it says: check those before you rely on them. A price that is neither, or is about to change,
is None, and so is the cost of runs then.
"""

from decimal import Decimal

from agents.language_models.model_entry import LOCAL, ModelEntry, options_of

DEFAULT_LABEL = "GPT 3.5 Turbo"
LOCAL_LABEL = "SmolLM2 135M (local)"

# Temperature 0 as in OpenGPTs. Reported: OpenAI's models of today take it only without reasoning, and take tools in
# chat completions only so (the error says this itself). Few other servers speak the Responses API, which would do both.
_OPENAI = options_of({"temperature": 0, "reasoning_effort": "none", "use_responses_api": False})
_COLD = options_of({"temperature": 0})
# Reported: they read 922,000 tokens, but beyond this all of a request costs more (input twice, output half as much
# again), which the prices below do not say.
_OPENAI_WINDOW = 272_000

BUILTIN_MODELS = (
    # Reported, of https://developers.openai.com/api/docs/deprecations: gpt-3.5-turbo and gpt-4-turbo were shut down on
    # 2026-10-23, with gpt-5.6-terra and gpt-5.6-sol to replace them; gpt-4o is on 2027-01-14, with gpt-6-luna. Vendor,
    # same page: where it named those two for others, it names gpt-6.1-terra and gpt-6.1-sol now. Prices: reported, of
    # https://developers.openai.com/api/docs/pricing
    ModelEntry(
        DEFAULT_LABEL,
        "openai",
        "gpt-6.1-terra",
        _OPENAI_WINDOW,
        key_env="OPENAI_API_KEY",
        options=_OPENAI,
        input_price=Decimal("1.00"),
        output_price=Decimal("5.00"),
    ),
    ModelEntry(
        "GPT 4 Turbo",
        "openai",
        "gpt-6.1-sol",
        _OPENAI_WINDOW,
        key_env="OPENAI_API_KEY",
        options=_OPENAI,
        input_price=Decimal("2.00"),
        output_price=Decimal("10.00"),
    ),
    ModelEntry(
        "GPT 4o",
        "openai",
        "gpt-6-luna",
        _OPENAI_WINDOW,
        key_env="OPENAI_API_KEY",
        options=_OPENAI,
        input_price=Decimal("0.10"),
        output_price=Decimal("0.50"),
    ),
    # Which model it is, its window, its price and whether it takes a temperature depend on the deployment, which
    # AZURE_OPENAI_DEPLOYMENT_NAME names (see `agents.language_models.providers`).
    ModelEntry("GPT 4 (Azure OpenAI)", "azure_openai", key_env="AZURE_OPENAI_API_KEY"),
    # Vendor, https://platform.claude.com/docs/en/models/sonnet-5-5/overview: the current Sonnet, its window and prices.
    # Vendor, of the Sonnet before it: a temperature is an error. Reported: Claude 2 is gone.
    ModelEntry(
        "Claude 2",
        "anthropic",
        "claude-sonnet-5-5",
        1_000_000,
        key_env="ANTHROPIC_API_KEY",
        input_price=Decimal("2.00"),
        output_price=Decimal("10.00"),
    ),
    # Reported: the inference profile that every commercial region has. Amazon sets prices of its own.
    ModelEntry("Claude 2 (Amazon Bedrock)", "bedrock_converse", "global.anthropic.claude-sonnet-5-5", 1_000_000),
    # Vendor, https://ai.google.dev/gemini-api/docs/deprecations: the newest Flash, without a date to end. Vendor,
    # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/start/gemini-3-prompting-guide: no other temperature
    # than the default. No price: reported, it is half until 2026-12-31 (0.75 and 3.75), then 1.50 and 7.50.
    ModelEntry(
        "GEMINI",
        "google_genai",
        "gemini-3.8-flash",
        1_048_576,
        key_env="GOOGLE_API_KEY",
        # As often as openai's client tries again: with Google's own number it takes minutes to say that it cannot.
        options=options_of({"max_retries": 2}),
    ),
    # Reported: the Mistral 3 generation took the Mixtrals' place. Vendor, https://docs.mistral.ai/getting-started/models:
    # this alias is its newest Small, so its price changes with it. The window is Mixtral's own, which that has too.
    ModelEntry("Mixtral", "mistralai", "mistral-small-latest", 32_768, key_env="MISTRAL_API_KEY", options=_COLD),
    # OLLAMA_MODEL names the model. Ollama cuts what is longer than num_ctx without a word, so it is told how much
    # this server sends.
    ModelEntry(
        "Ollama",
        "ollama",
        "",
        8192,
        options=options_of({"temperature": 0, "num_ctx": 8192}),
        input_price=Decimal(0),
        output_price=Decimal(0),
    ),
    ModelEntry(
        LOCAL_LABEL,
        LOCAL,
        "smollm2-135m-instruct",
        8192,
        can_use_tools=False,
        can_see_images=False,
        input_price=Decimal(0),
        output_price=Decimal(0),
    ),
)
