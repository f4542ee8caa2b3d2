"""Small talk of the closed world: feelings, wishes and set phrases, each with one reply."""

from recipes.nano.world_tables import rows

SAD_FEELINGS = rows("""
sad; tired; lonely; angry; afraid; worried; ill; bored; hurt; nervous; hungry; weak; upset; poor""")
GLAD_FEELINGS = rows("""
happy; glad; calm; proud; lucky; strong; safe; brave; free; rich; busy; clever""")
LOST = rows("""
key; phone; book; hat; bag; coat; ring; ticket; shoe; letter; pen; map; cup""")
ILL = rows("""
mother; father; sister; dog; cat; friend; baby; uncle; aunt; teacher; horse; wife; rabbit""")
DONE = rows("""
exam; test; race; game; song; story; cake; letter; garden; play; kite""")
TOMORROW = rows("""
party; wedding; holiday; exam; race; picnic; lesson; trip; match; play""")
NAMES = rows("""
tom; kate; ben; lily; sam; luke; rose; ruth; paul; mary""")

JOURNEYS = rows("""
france; spain; italy; japan; egypt; greece; norway; canada; brazil; india; london; paris; rome; berlin; madrid; dublin""")

# Six phrasings and the one that training never sees, then the reply; an empty line between two of them.
PHRASES: tuple[tuple[str, ...], ...] = tuple(
    tuple(phrase.strip() for phrase in block.replace("\n", " ").split("|"))
    for block in """
hello.|hello there.|hi, can you hear me?|hey, are you there?|hello, my friend.|hi there.|hey there, hello.|
hello, how can i help you?

how are you?|how are you today?|how do you feel today?|are you well today?|hi, how are you?|tell me how you are.|
hello, how do you feel?|i am very well, thank you.

goodbye.|goodbye, my friend.|i have to go now, goodbye.|bye, i must go now.|it is late, goodbye.|bye bye.|
well, goodbye for now.|goodbye, see you soon.

good morning.|good morning to you.|hello, good morning.|a very good morning.|hi, good morning.|good morning, my friend.|
oh, good morning there.|good morning, i hope you slept well.

good night.|i am going to bed, good night.|good night, my friend.|i am going to sleep now.|it is time for bed.|
good night to you.|well, good night now.|good night, sleep well.

thank you.|thank you very much.|thanks for your help.|thank you for your answer.|thanks, that is very good.|
oh, thank you so much.|thanks so much, my friend.|it was a pleasure.

i am sorry.|i am so sorry.|sorry about that.|please excuse me.|i am very sorry about that.|oh, sorry.|
sorry, please excuse me.|that is all right.

who are you?|what are you?|please tell me who you are.|what is your name?|do you have a name?|tell me your name.|
who is this?|i am your voice helper.

what can you do?|what do you know?|how can you help me?|tell me what you can do.|what are you good at?|
what do you do all day?|please say what you can do.|i can answer easy questions.

can you help me?|i need some help.|please help me.|could you help me now?|i would like some help.|help me, please.|
i need your help now.|yes, tell me what you need.

do you sleep?|do you ever sleep?|when do you go to bed?|do you sleep at night?|when do you sleep?|are you ever in bed?|
tell me when you sleep.|no, i never sleep.

do you eat?|what do you eat?|are you ever hungry?|do you like food?|what is your food?|do you ever eat?|
tell me what you eat.|no, i do not eat.

where do you live?|where are you now?|where is your home?|what is your home?|tell me where you live.|do you have a home?|
please say where you live.|i live in a computer.

do you like music?|what music do you like?|do you like songs?|can you hear music?|do you ever hear music?|is music good?|
tell me about music.|yes, i love music.

are you a person?|are you a human?|are you a man or a woman?|am i talking to a person?|are you a real person?|
is this a real person?|tell me, are you human?|no, i am a computer voice.

wait a moment.|please wait a moment.|can you wait for me?|hold on, please.|i need a moment.|wait for me, please.|
hold on a moment.|of course, take your time.

i do not know what to do.|what should i do now?|what can i do now?|tell me what to do.|i have nothing to do.|
what should i do today?|say what i should do.|maybe you could take a walk.

i cannot sleep.|i cannot sleep at night.|why can i not sleep?|it is night and i cannot sleep.|how can i sleep well?|
i am in bed and cannot sleep.|tell me how to sleep.|try some warm milk.

i love you.|i love you so much.|i think i love you.|do you know that i love you?|you know, i love you.|
i like you very much.|oh, i really love you.|that is very kind of you.

you are wrong.|that was wrong.|i think you are wrong.|no, that is not right.|that answer is wrong.|
your answer was not right.|oh no, that is wrong.|i will try to do better.

what should i read?|which book should i read?|can you name a good book?|i want to read a book.|tell me a good book.|
i need a good book.|say which book is good.|i like a funny story.

say something nice.|please say something nice.|tell me something nice.|can you say something nice?|could you be nice to me?|
say a nice thing to me.|tell me one nice thing.|you have a lovely voice.

will it rain today?|is it going to rain?|how is the weather today?|what is the weather like?|do i need a coat today?|
tell me about the weather.|please say if it will rain.|i cannot see the sky.

can you sing?|please sing a song.|sing a song for me.|could you sing to me?|do you ever sing?|will you sing now?|
please sing for me now.|i would love to sing.
""".strip().split("\n\n")
)
